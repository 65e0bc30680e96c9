"""Training of covmap's networks: data, augmentation, optimisation, calibration and export of the bundled weights."""
