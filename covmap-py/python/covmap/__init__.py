"""COVID-19 infection maps from chest radiographs: lungs, opacity, severity, detection.

>>> import covmap
>>> analysis = covmap.analyze("chest.dcm")           # doctest: +SKIP
>>> analysis.infection_map, analysis.lung_mask       # doctest: +SKIP
>>> analysis.severity.share                          # doctest: +SKIP

Outputs show opacity consistent with COVID-19 pneumonia. They are decision support for research, never a diagnosis.
"""

from . import stages
from ._covmap import (
    Analysis,
    AnalyzeMany,
    CancelToken,
    Detection,
    Model,
    Pipeline,
    Quality,
    Radiograph,
    Severity,
    __version__,
    analyze,
    analyze_many,
)
from ._errors import (
    CancelledError,
    CovmapError,
    InputError,
    InputTypeError,
    InternalError,
    IoError,
    LimitsExceededError,
    ModelError,
    ParameterError,
)
from ._table import to_dataframe, to_row

__all__ = [
    "Analysis",
    "AnalyzeMany",
    "CancelToken",
    "CancelledError",
    "CovmapError",
    "Detection",
    "InputError",
    "InputTypeError",
    "InternalError",
    "IoError",
    "LimitsExceededError",
    "Model",
    "ModelError",
    "ParameterError",
    "Pipeline",
    "Quality",
    "Radiograph",
    "Severity",
    "__version__",
    "analyze",
    "analyze_many",
    "stages",
    "to_dataframe",
    "to_row",
]
