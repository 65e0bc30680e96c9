"""COVID-19 infection maps from chest radiographs: lungs, opacity, severity, detection.

>>> import covmap
>>> analysis = covmap.analyze("chest.dcm")           # doctest: +SKIP
>>> analysis.infection_map, analysis.lung_mask       # doctest: +SKIP
>>> analysis.to_dict()["infection"]["share"]         # doctest: +SKIP

Outputs show opacity consistent with COVID-19 pneumonia. They are decision support for research, never a diagnosis.
"""

from ._covmap import Analysis, Pipeline, __version__, analyze
from ._errors import (
    CancelledError,
    CovmapError,
    InputError,
    InternalError,
    IoError,
    LimitsExceededError,
    ModelError,
    ParameterError,
)

__all__ = [
    "Analysis",
    "CancelledError",
    "CovmapError",
    "InputError",
    "InternalError",
    "IoError",
    "LimitsExceededError",
    "ModelError",
    "ParameterError",
    "Pipeline",
    "__version__",
    "analyze",
]
