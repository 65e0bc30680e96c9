"""The stages of a pipeline one by one, in the order in which data flows.

>>> from covmap import Model, Radiograph, stages                                   # doctest: +SKIP
>>> model, radiograph = Model(), Radiograph("chest.dcm")                           # doctest: +SKIP
>>> prediction = stages.network(stages.preprocess(radiograph, model), model)       # doctest: +SKIP
>>> lungs = stages.lungs(prediction)                                               # doctest: +SKIP
>>> infection = stages.fusion(prediction, lungs)                                   # doctest: +SKIP
>>> severity = stages.severity(infection, lungs, model)                            # doctest: +SKIP
>>> detection = stages.detection(infection, severity, model)                       # doctest: +SKIP

`Pipeline.analyze` is these seven lines; several predictions, of several models, make an ensemble.
"""

from ._covmap import (
    InfectionMap,
    LungMask,
    ModelInput,
    Prediction,
    detection,
    fusion,
    lungs,
    network,
    preprocess,
    severity,
)

__all__ = [
    "InfectionMap",
    "LungMask",
    "ModelInput",
    "Prediction",
    "detection",
    "fusion",
    "lungs",
    "network",
    "preprocess",
    "severity",
]
