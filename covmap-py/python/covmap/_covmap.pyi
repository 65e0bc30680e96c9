import os
from collections.abc import Sequence
from typing import Any, Literal, TypeAlias, final

import numpy as np
import numpy.typing as npt

_Path: TypeAlias = str | os.PathLike[str]
_Input: TypeAlias = _Path | bytes | bytearray | npt.NDArray[np.uint8] | npt.NDArray[np.uint16]

__all__ = ["Analysis", "Pipeline", "__version__", "analyze", "run_command"]

__version__: str

@final
class Pipeline:
    """Models, loaded once; analyses many radiographs, from many threads at once."""

    def __new__(
        cls,
        models: _Path | Sequence[_Path] | None = None,
        *,
        fusion: Literal["mean", "logit-mean", "max", "vote"] = "mean",
        threads: int | None = None,
    ) -> Pipeline:
        """`models`: an ONNX file, or several that make an ensemble; None is the bundled model.

        `fusion`: how the members become one. `threads`: of one analysis; None means all processors.
        """

    def analyze(self, x: _Input, /) -> Analysis:
        """Analyses one radiograph: a path, the bytes of a file, or a 2-D uint8 or uint16 array.

        PNG, JPEG, TIFF and DICOM are told apart by content. An array is MONOCHROME2 (bright is dense) over the full range
        of its type. Other threads run meanwhile.

        Raises CovmapError by kind, and TypeError for anything else than these inputs.
        """

@final
class Analysis:
    """What a pipeline found in one radiograph."""

    @property
    def infection_map(self) -> npt.NDArray[np.uint8]:
        """Rows x columns of the radiograph: 0 outside the lungs, infected from 128. Read-only, not a copy."""

    @property
    def lung_mask(self) -> npt.NDArray[np.uint8] | None:
        """Rows x columns of the radiograph: 0 outside, 1 the patient's right lung, 2 the left. Read-only, not a copy.

        None where no model of the pipeline segments lungs.
        """

    def to_json(self) -> str:
        """The result as JSON text, schema "covmap/1"."""

    def to_dict(self) -> dict[str, Any]:
        """The result as a dictionary, schema "covmap/1"."""

def analyze(x: _Input, /) -> Analysis:
    """Analyses one radiograph with the bundled model, which is loaded on the first call; else as `Pipeline.analyze`."""

def run_command(arguments: Sequence[str]) -> int:
    """Runs the `covmap` command and returns its exit status; `arguments` starts with the program's name."""
