"""Every kind of input, and every way in which it can be wrong."""

import io
from pathlib import Path

import numpy as np
import pydicom
import pytest
from PIL import Image

import covmap

GREY = np.add.outer(np.arange(120), np.arange(130)).astype(np.uint8)


def pixels(x: object) -> np.ndarray:
    return covmap.Radiograph(x).pixels


def test_every_input_is_the_same_radiograph(pipeline: covmap.Pipeline, analysis: covmap.Analysis, phantom: Path) -> None:
    content = phantom.read_bytes()
    with phantom.open("rb") as file, Image.open(phantom) as image:
        inputs = [str(phantom), phantom, content, bytearray(content), memoryview(content), io.BytesIO(content), file, image]
        for x in (*inputs, covmap.Radiograph(phantom)):
            assert np.array_equal(pipeline.analyze(x).infection_map, analysis.infection_map), type(x)
    assert covmap.analyze(phantom) == analysis


def test_names_of_files(phantom: Path) -> None:
    with phantom.open("rb") as file:
        assert covmap.Radiograph(file).file == covmap.Radiograph(phantom).file == "chest.png"
    assert covmap.Radiograph(phantom.read_bytes()).file is None


def test_pydicom_dataset(phantom_dicom: Path) -> None:
    dataset = pydicom.dcmread(phantom_dicom)
    read, opened = covmap.Radiograph(dataset), covmap.Radiograph(phantom_dicom)
    assert np.array_equal(read.pixels, opened.pixels)
    assert (read.spacing_mm, read.view) == (opened.spacing_mm, opened.view)
    assert covmap.analyze(dataset).to_dicom("seg")
    del dataset.file_meta.TransferSyntaxUID
    with pytest.raises(covmap.InputError, match="Transfer Syntax"):
        covmap.Radiograph(dataset)
    del dataset.PixelData
    dataset.file_meta.TransferSyntaxUID = pydicom.uid.ExplicitVRLittleEndian
    with pytest.raises(covmap.InputError):
        covmap.Radiograph(dataset)


def test_arrays_of_any_layout() -> None:
    expected = pixels(GREY)
    assert (expected.shape, expected.dtype, expected[3, 4]) == ((120, 130), np.uint16, 7 * 257)
    wide = np.zeros((120, 260), np.uint8)
    wide[:, ::2] = GREY
    odd = np.zeros(GREY.size * 2 + 1, np.uint8)[1:].view(np.uint16).reshape(GREY.shape)
    odd[:] = GREY.astype(np.uint16) * 257
    assert not odd.flags.aligned
    for same in (np.asfortranarray(GREY), wide[:, ::2], np.flip(GREY).copy()[::-1, ::-1], odd, odd.astype(">u2")):
        assert np.array_equal(pixels(same), expected)


@pytest.mark.parametrize("kind", [np.float16, np.float32, np.float64, ">f8", np.longdouble])
def test_floats_are_spread(kind: str) -> None:
    grey = np.array([[-1, 0], [1, 0.5]], kind)
    assert pixels(grey).tolist() == [[0, 32768], [65535, 49151]]


def test_colour_arrays() -> None:
    rgb = np.dstack([GREY] * 3)
    rgba = np.dstack([rgb, np.full_like(GREY, 255)])
    for same in (GREY[..., None], rgb, rgba, rgb.astype(np.uint16) * 257, np.asfortranarray(rgba)):
        assert np.array_equal(pixels(same), pixels(GREY))
    spread = pixels(GREY.astype(float))
    assert np.array_equal(pixels(rgb.astype(float)), spread)
    rgb[..., 0] = 255 - rgb[..., 0]
    with pytest.raises(covmap.InputError, match="coloured"):
        covmap.analyze(rgb)


@pytest.mark.parametrize("mode", ["L", "LA", "RGB", "RGBA", "P", "CMYK", "I", "I;16", "F", "1"])
def test_pil_modes(mode: str) -> None:
    image = Image.fromarray(GREY)
    if mode == "I;16":
        image = Image.fromarray(GREY.astype(np.uint16) * 257)
    elif mode == "I":
        image = Image.fromarray(GREY.astype(np.int32) * 257)
    else:
        image = image.convert(mode)
    read = pixels(image)
    if mode == "1":
        assert set(np.unique(read)) == {0, 65535}
    elif mode == "F":
        assert (read.min(), read.max()) == (0, 65535)
    else:
        assert np.array_equal(read, pixels(GREY))


def test_pil_orientation_is_applied() -> None:
    image = Image.fromarray(GREY)
    image.getexif()[0x0112] = 6
    assert pixels(image).shape == (130, 120)


def test_what_an_array_does_not_say() -> None:
    told = covmap.Radiograph(GREY, monochrome1=True, spacing_mm=(0.2, 0.1), view="pa", window=(50, 100))
    assert (told.spacing_mm, told.view, told.notes) == ((0.2, 0.1), "pa", ["inverted"])
    assert (told.pixels[0, 50], told.pixels[0, 100]) == (65535, 0)
    with pytest.raises(covmap.ParameterError, match="known: pa"):
        covmap.Radiograph(GREY, view="front")


def test_other_objects_that_are_arrays() -> None:
    class Tensor:
        def __array__(self, dtype: object = None, copy: object = None) -> np.ndarray:
            return GREY

    assert np.array_equal(pixels(Tensor()), pixels(GREY))


@pytest.mark.parametrize("kind", [bool, np.int8, np.int16, np.int64, np.uint32, complex, "U1", object])
def test_wrong_dtype(kind: str) -> None:
    with pytest.raises(covmap.InputTypeError, match="uint8 or uint16"):
        covmap.analyze(np.zeros((5, 5), kind))


@pytest.mark.parametrize("x", [None, 3, 1.5, [[1, 2], [3, 4]], object()])
def test_wrong_object(x: object) -> None:
    with pytest.raises(covmap.InputTypeError, match="expected a path, bytes") as caught:
        covmap.analyze(x)
    assert isinstance(caught.value, TypeError) and isinstance(caught.value, covmap.CovmapError)


@pytest.mark.parametrize(
    ("shape", "text"),
    [((10, 64, 64), "slice"), ((3, 64, 64), "channels come last"), ((64,), "shape"), ((), "shape"), ((2, 2, 2, 2), "slice")],
)
def test_wrong_shape(shape: tuple[int, ...], text: str) -> None:
    with pytest.raises(covmap.ParameterError, match=text):
        covmap.analyze(np.zeros(shape, np.uint8))


def test_wrong_pixels() -> None:
    for value, text in ((np.nan, "not a number"), (np.inf, "infinite"), (1e300, "infinite")):
        grey = np.zeros((5, 6))
        grey[2, 3] = value
        for array in (grey, np.dstack([grey] * 3)):
            with pytest.raises(covmap.InputError, match=rf"row 2, column 3\) is {text}"):
                covmap.analyze(array)
    for shape in ((0, 5), (5, 0), (0, 0), (0, 5, 3)):
        with pytest.raises(covmap.InputError, match="empty"):
            covmap.analyze(np.zeros(shape, np.uint8))
    with pytest.raises(covmap.LimitsExceededError):
        covmap.analyze(np.broadcast_to(np.uint8(0), (1, 1 << 30)))


def test_wrong_files(phantom: Path, tmp_path: Path) -> None:
    nowhere = tmp_path / "nowhere.png"
    with pytest.raises(covmap.IoError) as caught:
        covmap.analyze(nowhere)
    assert isinstance(caught.value, OSError) and caught.value.errno == 2
    assert Path(caught.value.filename) == nowhere
    with pytest.raises(covmap.IoError, match="directory"):
        covmap.analyze(tmp_path)
    with pytest.raises(covmap.InputError, match="but a PDF document"):
        covmap.analyze(b"%PDF-1.7")
    with pytest.raises(covmap.InputError):
        covmap.analyze(phantom.read_bytes()[:5000])
    with pytest.raises(covmap.InputError, match="empty"):
        covmap.analyze(b"")
    with phantom.open("rb") as closed:
        pass
    with pytest.raises(covmap.InputError, match="closed file"):
        covmap.analyze(closed)
    with phantom.open(encoding="latin-1") as text, pytest.raises(covmap.InputTypeError, match="'rb'"):
        covmap.analyze(text)
    with pytest.raises(covmap.ParameterError, match="file says these things itself"):
        covmap.Radiograph(phantom, view="pa")
    with pytest.raises(covmap.ParameterError):
        covmap.Radiograph(phantom, frame=7)
