"""Whatever `analyze` takes becomes a path, the bytes of a file or an array; pixels are read in Rust alone."""

import io
import os
import sys
from typing import Any

import numpy as np

from ._errors import InputError, InputTypeError, ParameterError

_KINDS = "a path, bytes, a binary file, an array, a PIL image or a pydicom Dataset"


def resolve(x: Any) -> tuple[Any, str | None]:
    """A str path, bytes, or an aligned array of uint8, uint16 or float32 in two or three dimensions; and a file name."""
    if isinstance(x, (str, os.PathLike)):
        return _path(x), None
    if isinstance(x, (bytes, bytearray)):
        return x, None
    if isinstance(x, memoryview):
        return x.tobytes(), None
    if isinstance(x, np.ndarray):
        return _pixels(x), None
    if (pil := sys.modules.get("PIL.Image")) and isinstance(x, pil.Image):
        return _pixels(_of_pil(x)), _name(getattr(x, "filename", None))
    if (pydicom := sys.modules.get("pydicom")) and isinstance(x, pydicom.Dataset):
        return _of_pydicom(x), _name(getattr(x, "filename", None))
    if callable(getattr(x, "read", None)):
        return _of_file(x), _name(getattr(x, "name", None))
    if hasattr(x, "__array__") or hasattr(x, "__array_interface__"):
        return _pixels(np.asarray(x)), None
    raise InputTypeError(f"expected {_KINDS}, not {type(x).__name__}")


def _path(x: Any) -> str:
    path = os.fspath(x)
    return os.fsdecode(path) if isinstance(path, bytes) else path


def _name(path: object) -> str | None:
    return os.path.basename(path) if isinstance(path, str) and path else None


def _pixels(array: np.ndarray) -> np.ndarray:
    if array.ndim == 3 and array.shape[2] > 4 >= array.shape[0]:
        raise ParameterError(f"an array of shape {array.shape}: channels come last, as (rows, columns, channels)")
    if array.ndim not in (2, 3) or array.ndim == 3 and not 1 <= array.shape[2] <= 4:
        hint = "; of a volume, analyse one slice" if array.ndim > 2 else ""
        raise ParameterError(f"a radiograph is (rows, columns) or (rows, columns, 1 to 4), not an array of shape {array.shape}{hint}")
    if array.dtype.kind == "u" and array.dtype.itemsize <= 2:
        kind = array.dtype.newbyteorder("=")
    elif array.dtype.kind == "f":
        kind = np.dtype(np.float32)
    else:
        raise InputTypeError(
            f"an array of {array.dtype} does not say which values are black and white:"
            " use uint8 or uint16 (full range), or a float type (minimum to maximum)"
        )
    with np.errstate(over="ignore"):  # what becomes infinite is refused with its place
        return np.require(array, kind, "A")


def _of_pil(image: Any) -> np.ndarray:
    try:
        from PIL import ImageOps

        image = ImageOps.exif_transpose(image)
        if image.mode == "1":
            image = image.convert("L")
        elif image.mode not in ("L", "LA", "RGB", "RGBA", "F", "I") and not image.mode.startswith("I;16"):
            image = image.convert("RGBA" if "transparency" in image.info else "RGB")
        array = np.asarray(image)
    except (OSError, ValueError) as error:
        raise InputError(f"the PIL image cannot be read: {error}") from error
    if array.dtype == np.int32:  # mode I is how Pillow holds 16-bit files
        if array.size and (array.min() < 0 or array.max() > 0xFFFF):
            return array.astype(np.float32)
        return array.astype(np.uint16)
    return array


def _of_pydicom(dataset: Any) -> bytes:
    import pydicom

    if getattr(getattr(dataset, "file_meta", None), "TransferSyntaxUID", None) is None:
        raise InputError("the data set has no Transfer Syntax UID: set dataset.file_meta.TransferSyntaxUID")
    file = io.BytesIO()
    try:
        pydicom.dcmwrite(file, dataset, enforce_file_format=True)
    except Exception as error:  # whatever pydicom does not like about the data set
        raise InputError(f"the data set cannot be encoded: {error}") from error
    return file.getvalue()


def _of_file(file: Any) -> bytes:
    try:
        content = file.read()
    except (OSError, ValueError) as error:
        raise InputError(f"the file object cannot be read: {error}") from error
    if isinstance(content, str):
        raise InputTypeError("the file is open as text: open it with mode 'rb'")
    if not isinstance(content, (bytes, bytearray, memoryview)):
        raise InputTypeError(f"the file object's read() gave {type(content).__name__}, not bytes")
    return bytes(content)
