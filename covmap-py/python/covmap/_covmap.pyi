import os
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, Literal, Protocol, TypeAlias, final

import numpy as np
import numpy.typing as npt

from ._errors import CovmapError

class _Array(Protocol):
    def __array__(self) -> npt.NDArray[Any]: ...

class _PilImage(Protocol):
    @property
    def __array_interface__(self) -> dict[str, Any]: ...

class _DicomDataset(Protocol):
    @property
    def pixel_array(self) -> npt.NDArray[Any]: ...

class _BinaryFile(Protocol):
    def read(self) -> bytes: ...

_Path: TypeAlias = str | os.PathLike[str]
_Input: TypeAlias = _Path | bytes | bytearray | memoryview | _BinaryFile | _Array | _PilImage | _DicomDataset | Radiograph
_Fusion: TypeAlias = Literal["mean", "logit-mean", "max", "vote"]
_Precision: TypeAlias = Literal["auto", "f32", "bf16", "int8"]
_Views: TypeAlias = Literal["none", "flip"]
_OperatingPoint: TypeAlias = Literal["specificity95", "sensitivity95"]
_Colormap: TypeAlias = Literal["jet", "cividis"]
_View: TypeAlias = Literal["pa", "ap", "lateral", "other", "unknown"]
_Zones: TypeAlias = dict[str, float | None]

__all__ = [
    "Analysis",
    "AnalyzeMany",
    "CancelToken",
    "Detection",
    "InfectionMap",
    "LungMask",
    "Model",
    "ModelInput",
    "Pipeline",
    "Prediction",
    "Quality",
    "Radiograph",
    "Severity",
    "__version__",
    "_restore_analysis",
    "_restore_pipeline",
    "analyze",
    "analyze_many",
    "detection",
    "fusion",
    "lungs",
    "network",
    "preprocess",
    "run_command",
    "severity",
]

__version__: str

@final
class Radiograph:
    """A chest radiograph, read and normalised: upright, bright is dense, 16 bits over the full range.

    Reads `x`, anything that `analyze` takes.

    Args:
        x: The input.
        frame: Frame of a multi-frame DICOM object or page of a TIFF, from 0.
        monochrome1: An array in which dense is dark; it is inverted.
        window: Grey levels of an array shown as black and white, in its own units.
        spacing_mm: Distance of an array's pixel centres in mm, between rows and between columns.
        view: Projection of an array.

    Raises:
        ParameterError: These are said of a file, which says them itself; or there is no such frame.
        CovmapError: As `Pipeline.analyze`.
    """

    def __new__(
        cls,
        x: _Input,
        /,
        *,
        frame: int = 0,
        monochrome1: bool = False,
        window: Sequence[float] | None = None,
        spacing_mm: Sequence[float] | None = None,
        view: _View | None = None,
    ) -> Radiograph: ...

    @property
    def pixels(self) -> npt.NDArray[np.uint16]:
        """uint16 (rows, columns), 0..65535. Read-only, not a copy."""

    def display(self) -> npt.NDArray[np.uint8]:
        """uint8 (rows, columns): grey levels from the 0.5th to the 99.5th percentile over 0..255."""

    @property
    def width(self) -> int:
        """Columns."""

    @property
    def height(self) -> int:
        """Rows."""

    @property
    def spacing_mm(self) -> tuple[float, float] | None:
        """Distance of pixel centres in mm, between rows and between columns; None where unknown."""

    @property
    def view(self) -> _View:
        """Projection, as far as the input says it."""

    @property
    def notes(self) -> list[str]:
        """What reading had to do beyond decoding, e.g. "inverted", "mirrored-turned"."""

    @property
    def sha256(self) -> str | None:
        """Of the input's bytes; None for arrays."""

    @property
    def file(self) -> str | None:
        """The input's file name, where it had one."""

    @property
    def quality(self) -> Quality:
        """What is doubtful before any network has seen it."""

@final
class Quality:
    """What is doubtful about a radiograph or its lungs."""

    @property
    def good(self) -> bool:
        """Whether nothing is."""

    @property
    def flags(self) -> list[str]:
        """E.g. "inverted", "lateral", "one-lung"."""

    def __eq__(self, other: object, /) -> bool: ...

@final
class Severity:
    """Extent of opacity in the lungs. What needs a lung is None where it was not found."""

    @property
    def share(self) -> float | None:
        """Infected share of both lungs, 0..1."""

    @property
    def right_share(self) -> float | None:
        """Infected share of the patient's right lung, 0..1."""

    @property
    def left_share(self) -> float | None:
        """Infected share of the patient's left lung, 0..1."""

    @property
    def zone_shares(self) -> _Zones:
        """Infected share of each Brixia zone, 0..1: A, B, C right upper, middle, lower; D, E, F left."""

    @property
    def zone_scores(self) -> _Zones:
        """Brixia estimate of each zone, 0..3; None for an uncalibrated model."""

    @property
    def brixia_estimate(self) -> float | None:
        """Sum of the zones, 0..18; None for an uncalibrated model."""

    @property
    def grade(self) -> Literal["none", "mild", "moderate", "severe"] | None:
        """The estimate in words; describes a radiograph, not a patient's prospects."""

    def __eq__(self, other: object, /) -> bool: ...

@final
class Detection:
    """Whether the map as a whole is positive for opacity consistent with COVID-19 pneumonia."""

    @property
    def probability(self) -> float | None:
        """0..1; None where no lung was found."""

    @property
    def operating_point(self) -> _OperatingPoint | None:
        """None for an uncalibrated model: any infected pixel is positive."""

    @property
    def threshold(self) -> float:
        """Probability from which the answer is positive."""

    @property
    def positive(self) -> bool | None:
        """The answer; None where no lung was found."""

    def __eq__(self, other: object, /) -> bool: ...

@final
class CancelToken:
    """Ends analyses from any thread: give it to `analyze` or `analyze_many`, and call `cancel`."""

    def __new__(cls) -> CancelToken: ...

    def cancel(self) -> None:
        """Ends every analysis that has this token, running ones and later ones."""

    @property
    def cancelled(self) -> bool:
        """Whether `cancel` was called."""

@final
class Pipeline:
    """Models, loaded once; analyses many radiographs, from many threads at once.

    Pickles as the models' paths and hashes. A forked process works with it on its calling thread alone.

    Loads the models.

    Args:
        model: An ONNX file, or several that make an ensemble; None is the bundled model.
        threads: Of one analysis, and images at a time in `analyze_many`; None means all processors.
        fusion: How the members of an ensemble become one.
        precision: Arithmetic of the network; "auto" is the fastest that the model records as equivalent.
        views: "flip" also shows the network the mirror image, in twice the time.
        operating_point: Where detection says positive.

    Raises:
        IoError: A model cannot be read.
        ModelError: A model or its description does not fit.
        ParameterError: An unknown name, 0 threads, or a precision that this processor does not have.
    """

    def __new__(
        cls,
        model: _Path | Sequence[_Path] | None = None,
        *,
        threads: int | None = None,
        fusion: _Fusion = "mean",
        precision: _Precision = "auto",
        views: _Views = "none",
        operating_point: _OperatingPoint = "specificity95",
    ) -> Pipeline: ...

    def analyze(
        self, x: _Input, /, *, timeout: float | None = None, cancel: CancelToken | None = None, max_memory: int | None = None
    ) -> Analysis:
        """Analyses one radiograph. Other threads run meanwhile.

        Args:
            x: A path; the bytes of a file, or a binary file object (PNG, JPEG, TIFF or DICOM, told apart by content); an array
                (rows, columns) or (rows, columns, 1 to 4 channels); a PIL image; a pydicom Dataset; a Radiograph. Arrays of
                uint8 and uint16 span the full range of their type, floats their minimum to maximum; bright is dense. Grey
                stored as RGB is grey, alpha lies over black.
            timeout: Seconds after which it ends; ten minutes end it in any case.
            cancel: A token; cancelling it, from any thread, ends the analysis.
            max_memory: Bytes that the analysis may need beside pipeline and radiograph; 2 GiB by default.

        Raises:
            IoError: The file cannot be read.
            InputError: It is damaged, coloured, empty, or has a pixel that is not finite.
            InputTypeError: No kind of object, or no dtype, of these.
            ParameterError: An array of another shape.
            LimitsExceededError: More than 16,384 pixels a side or 100 million in all.
            LimitsExceededError: It would need more memory than `max_memory`.
            CancelledError: It was cancelled, or took longer than `timeout`.
            ModelError: The network's output is not finite.
        """

    def analyze_many(
        self,
        iterable: Iterable[_Input],
        /,
        *,
        progress: bool = False,
        errors: Literal["yield", "raise"] = "yield",
        timeout: float | None = None,
        cancel: CancelToken | None = None,
        max_memory: int | None = None,
    ) -> Iterator[Analysis | CovmapError]:
        """Analyses many radiographs, `threads` at a time, one thread each; results come in the order of the inputs.

        At most twice `threads` inputs are drawn ahead of the results taken, so that memory stays bounded.

        Args:
            iterable: Inputs as `analyze` takes them. What it raises comes after the results of the inputs before.
            progress: Show a tqdm bar, where tqdm is installed.
            errors: "yield" gives the exception of an input that fails in place of its result; "raise" raises it, and the batch
                goes on with the next `next`.
            timeout: Seconds after which the whole batch ends: what is not done by then fails.
            cancel: A token; cancelling it, from any thread, does the same at once.
            max_memory: Bytes that each analysis may need beside pipeline and radiograph; 2 GiB by default.
        """

    def within(self, analysis: Analysis, lungs: LungMask) -> Analysis:
        """The same answer of the network read within other lungs, e.g. a corrected mask.

        Raises:
            ParameterError: The mask has another size.
        """

    @property
    def models(self) -> list[tuple[str, str]]:
        """Name and SHA-256 of each model."""

    @property
    def threads(self) -> int:
        """Threads of one analysis, and images at a time in a batch."""

    def __reduce__(self) -> tuple[Any, ...]: ...

@final
class Analysis:
    """What a pipeline found in one radiograph.

    Pickles without the radiograph, which pictures and DICOM objects then need as `radiograph=`.
    """

    @property
    def infection_map(self) -> npt.NDArray[np.uint8]:
        """uint8 (rows, columns) of the radiograph: 255 p, 0 outside the lungs, infected from 128. Read-only, not a copy."""

    @property
    def probability(self) -> npt.NDArray[np.float32]:
        """float32 in the network's pixels (more than its input's where dark margins were cut off): fused probability before the lung gate, threshold at 0.5. Read-only, not a copy."""

    @property
    def lung_mask(self) -> npt.NDArray[np.uint8] | None:
        """uint8 (rows, columns) of the radiograph: 0 outside, 1 the patient's right lung, 2 the left. Read-only, not a copy.

        None where no model of the pipeline segments lungs.
        """

    @property
    def severity(self) -> Severity | None:
        """None where no model of the pipeline segments lungs."""

    @property
    def detection(self) -> Detection:
        """The answer for the whole map."""

    @property
    def quality(self) -> Quality:
        """What is doubtful about radiograph and lungs."""

    @property
    def width(self) -> int:
        """Columns of the radiograph."""

    @property
    def height(self) -> int:
        """Rows of the radiograph."""

    @property
    def spacing_mm(self) -> tuple[float, float] | None:
        """Distance of pixel centres in mm, between rows and between columns; None where unknown."""

    @property
    def view(self) -> _View:
        """Projection, as far as the input says it."""

    @property
    def file(self) -> str | None:
        """The input's file name, where it had one."""

    @property
    def models(self) -> list[tuple[str, str]]:
        """Name and SHA-256 of each model."""

    @property
    def radiograph(self) -> Radiograph | None:
        """What was analysed; None after unpickling."""

    def to_json(self) -> str:
        """The result as JSON text, schema "covmap/1"."""

    def to_dict(self) -> dict[str, Any]:
        """The result as a dictionary, schema "covmap/1"."""

    def overlay(
        self,
        *,
        colormap: _Colormap = "jet",
        opacity: float = 0.6,
        contour: bool = False,
        legend: bool = False,
        radiograph: Radiograph | None = None,
    ) -> npt.NDArray[np.uint8]:
        """uint8 (rows, columns, 3): the paper's picture, hue and saturation of the map over the radiograph.

        Args:
            colormap: Colours of the probabilities.
            opacity: How strongly colour covers grey, 0..1.
            contour: Outline what counts as infected.
            legend: A colour bar below, which adds rows.
            radiograph: In place of the analysis's own.

        Raises:
            ParameterError: `opacity` outside 0..1, a radiograph of another size, or none after unpickling.
        """

    def plot(self, *, radiograph: Radiograph | None = None) -> Any:
        """A matplotlib Figure: radiograph, map with its colour bar, zones.

        Raises:
            ImportError: Without matplotlib (`pip install covmap[plot]`).
        """

    def save(
        self,
        directory: _Path,
        *,
        stem: str | None = None,
        dicom: Sequence[Literal["seg", "map", "sr", "sc"]] = ...,
        html: bool = False,
        colormap: _Colormap = "jet",
        opacity: float = 0.6,
        radiograph: Radiograph | None = None,
    ) -> None:
        """Writes the files of the command: STEM.json, STEM.infection.png, STEM.lung.png, STEM.overlay.png and what is asked for.

        Args:
            directory: Made if need be.
            stem: Default: the input's file name without its ending.
            dicom: Objects to write as STEM.seg.dcm and so on.
            html: Also write STEM.html.
            colormap: As `overlay`.
            opacity: As `overlay`.
            radiograph: In place of the analysis's own.

        Raises:
            IoError: A file cannot be written.
            InputError: DICOM objects of an input that is not DICOM.
            ParameterError: No stem is known.
        """

    def to_dicom(
        self,
        kind: Literal["seg", "map", "sr", "sc"] = "seg",
        *,
        colormap: _Colormap = "jet",
        opacity: float = 0.6,
        radiograph: Radiograph | None = None,
    ) -> bytes:
        """The result as a DICOM file: Segmentation, Structured Report (TID 1500) or Secondary Capture of the source's study.

        The same source, models and options make the same object with the same UIDs.

        Raises:
            InputError: The radiograph was not read from a DICOM object, or that has no UIDs to refer to.
        """

    def to_html(self, *, radiograph: Radiograph | None = None) -> str:
        """The result as one HTML page for people, which loads nothing."""

    def _repr_png_(self) -> bytes: ...
    def _repr_html_(self) -> str: ...
    def __eq__(self, other: object, /) -> bool: ...
    def __reduce__(self) -> tuple[Any, ...]: ...

@final
class AnalyzeMany(Iterator[Analysis | CovmapError]):
    """Results of `analyze_many`, in the order of the inputs. Dropping it stops the work."""

    def __iter__(self) -> AnalyzeMany: ...
    def __next__(self) -> Analysis | CovmapError: ...

@final
class Model:
    """A network with its description, for `covmap.stages`.

    Loads an ONNX file; None is the bundled model.

    Raises:
        IoError: The file cannot be read.
        ModelError: Graph and description do not fit together.
    """

    def __new__(cls, path: _Path | None = None) -> Model: ...

    @property
    def name(self) -> str:
        """Short name, as results show it."""

    @property
    def sha256(self) -> str:
        """Of the file."""

    @property
    def input_size(self) -> tuple[int, int]:
        """Height and width of the network's input."""

    def describe(self) -> dict[str, Any]:
        """Input, outputs, thresholds, calibration and training, as in `MODEL.onnx.json`."""

@final
class ModelInput:
    """A radiograph as a network takes it."""

    @property
    def values(self) -> npt.NDArray[np.float32]:
        """float32, flat, in the model's layout. Read-only, not a copy."""

    @property
    def native_size(self) -> tuple[int, int]:
        """Height and width of the radiograph."""

@final
class Prediction:
    """What one network says of one radiograph, in the network's pixels, 0 in dark margins that were cut off. Arrays are read-only and no copies."""

    @property
    def infection(self) -> npt.NDArray[np.float32] | None:
        """float32 (height, width): probability of opacity, threshold as the model has it."""

    @property
    def right_lung(self) -> npt.NDArray[np.float32] | None:
        """float32 (height, width): probability of the right lung, or of either where the model does not tell them apart."""

    @property
    def left_lung(self) -> npt.NDArray[np.float32] | None:
        """float32 (height, width): probability of the left lung, or of either where the model does not tell them apart."""

@final
class LungMask:
    """Right and left lung in a radiograph's pixels.

    Takes a mask (rows, columns) of 0, 1 (the patient's right) and 2 (left) as it is, copied.

    Raises:
        ParameterError: Other values, or no pixels.
    """

    def __new__(cls, labels: npt.NDArray[np.uint8]) -> LungMask: ...

    @property
    def labels(self) -> npt.NDArray[np.uint8]:
        """uint8 (rows, columns). Read-only, not a copy."""

    @property
    def right_area(self) -> int:
        """Pixels of the patient's right lung."""

    @property
    def left_area(self) -> int:
        """Pixels of the patient's left lung."""

@final
class InfectionMap:
    """Opacity in a radiograph's pixels."""

    @property
    def pixels(self) -> npt.NDArray[np.uint8]:
        """uint8 (rows, columns): 255 p, 0 outside the lungs, infected from 128. Read-only, not a copy."""

    @property
    def probability(self) -> npt.NDArray[np.float32]:
        """float32 in the network's pixels (more than its input's where dark margins were cut off): fused, before the lung gate, threshold at 0.5. Read-only, not a copy."""

def analyze(
    x: _Input, /, *, timeout: float | None = None, cancel: CancelToken | None = None, max_memory: int | None = None
) -> Analysis:
    """Analyses one radiograph with the bundled model, which is loaded on the first call; else as `Pipeline.analyze`."""

def analyze_many(
    iterable: Iterable[_Input],
    /,
    *,
    progress: bool = False,
    errors: Literal["yield", "raise"] = "yield",
    timeout: float | None = None,
    cancel: CancelToken | None = None,
    max_memory: int | None = None,
) -> Iterator[Analysis | CovmapError]:
    """Analyses many radiographs with the bundled model; else as `Pipeline.analyze_many`."""

def preprocess(radiograph: Radiograph, model: Model) -> ModelInput:
    """Cuts dark margins off, stretches the rest to the network's size and normalises its grey values."""

def network(model_input: ModelInput, model: Model, *, precision: _Precision = "auto") -> Prediction:
    """Runs the network on the calling thread.

    Raises:
        ParameterError: The input was prepared for another model, or this processor lacks the precision.
        ModelError: The output is not finite.
    """

def lungs(predictions: Prediction | Sequence[Prediction]) -> LungMask | None:
    """Fuses and cleans the lungs, at the radiograph's size; None where no prediction has any."""

def fusion(predictions: Prediction | Sequence[Prediction], lungs: LungMask | None, *, rule: _Fusion = "mean") -> InfectionMap:
    """Fuses the infection probabilities at the radiograph's size, 0 outside the lungs (no gate where they are None).

    Raises:
        ParameterError: There is nothing to fuse, or the lungs have another size.
    """

def severity(infection: InfectionMap, lungs: LungMask, model: Model) -> Severity:
    """Extent per zone, with the model's calibration.

    Raises:
        ParameterError: Map and lungs differ in size.
    """

def detection(
    infection: InfectionMap, severity: Severity | None, model: Model, *, operating_point: _OperatingPoint = "specificity95"
) -> Detection:
    """Whether the map is positive, with the model's calibration; any infected pixel where it has none or severity is None."""

def run_command(arguments: Sequence[str]) -> int:
    """Runs the `covmap` command and returns its exit status; `arguments` starts with the program's name."""

def _restore_analysis(bytes: bytes, file: str | None, options: str, training: str) -> Analysis: ...
def _restore_pipeline(paths: list[str], hashes: list[str], threads: int | None, options: list[str]) -> Pipeline: ...
