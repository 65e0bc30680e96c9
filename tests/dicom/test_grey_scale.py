"""From stored values to grey: windows and look-up tables as pydicom applies them, and what else an object may say of its picture."""

import imagecodecs
import numpy
import pytest
from pydicom import Dataset, Sequence, uid
from pydicom.encaps import encapsulate
from pydicom.pixels import apply_modality_lut, apply_voi_lut

import synthetic
from synthetic import COLUMNS, ROWS, program, radiograph, read, stored, texture


def save(ds, path):
    ds.save_as(path, enforce_file_format=True)
    return path


def shown(ds, path, frame=0):
    """Grey as covmap shows it, in 0 to 1."""
    found = read(save(ds, path), frame=frame)[0]
    assert "error" not in found, found
    return found["pixels"] / 65535


def range_of(ds):
    """What apply_windowing of pydicom spreads its window over."""
    if "ModalityLUTSequence" in ds:
        return 0, 2 ** ds.ModalityLUTSequence[0].LUTDescriptor[2] - 1
    low = -(2 ** (ds.BitsStored - 1)) if ds.PixelRepresentation else 0
    ends = [end * float(ds.get("RescaleSlope", 1)) + float(ds.get("RescaleIntercept", 0)) for end in (low, low + 2**ds.BitsStored - 1)]
    return min(ends), max(ends)


def by_pydicom(ds):
    """Grey as pydicom shows it, in 0 to 1."""
    values = apply_voi_lut(apply_modality_lut(ds.pixel_array, ds), ds)
    if "VOILUTSequence" in ds:
        return values / (2 ** ds.VOILUTSequence[0].LUTDescriptor[2] - 1)
    low, high = range_of(ds)
    return (values - low) / (high - low)


def one_level(ds):
    """One grey level of the object's own depth; a hair more, since both sides round."""
    return 1.001 / (2 ** min(ds.BitsStored, 16) - 1)


def table(entries, first, bits):
    item = Dataset()
    item.LUTDescriptor, item.LUTData = [len(entries), first, bits], [int(entry) for entry in entries]
    item["LUTDescriptor"].VR, item["LUTData"].VR = "US", "US"
    item.ModalityLUTType = "US"
    return Sequence([item])


@pytest.mark.parametrize("rescale", [None, (1, -1024), (0.25, 10)])
@pytest.mark.parametrize("function", [None, "LINEAR", "LINEAR_EXACT", "SIGMOID"])
@pytest.mark.parametrize(("bits", "signed"), synthetic.DEPTHS)
def test_windows_agree_with_pydicom(tmp_path, bits, signed, function, rescale):
    ds = radiograph(texture(bits, signed), bits, signed, identity=False)
    if rescale:
        ds.RescaleSlope, ds.RescaleIntercept = rescale
    low, high = range_of(ds)
    # Two windows, of which the first counts.
    ds.WindowCenter, ds.WindowWidth = [round((low + high) / 2, 1), 5], [round(0.6 * (high - low), 1), 7]
    if function:
        ds.VOILUTFunction = function
    found = shown(ds, tmp_path / "x.dcm")
    assert numpy.abs(found - by_pydicom(ds)).max() <= one_level(ds)
    assert 0.2 < found.std() + found.mean() < 1.5


@pytest.mark.parametrize("width", [1, 2])
def test_the_narrowest_windows_agree_with_pydicom(tmp_path, width):
    ds = radiograph(texture(12), 12, identity=False)
    ds.WindowCenter, ds.WindowWidth = 2000, width
    assert numpy.abs(shown(ds, tmp_path / "x.dcm") - by_pydicom(ds)).max() <= one_level(ds)


# pydicom 3.0 counts entries of 8 bits with 8 bits, so they are for pixels of 8 bits.
@pytest.mark.parametrize(("depth", "entries", "bits"), [(8, 200, 8), (12, 4096, 12), (12, 256, 16), (12, 4000, 10)])
@pytest.mark.parametrize(("first", "signed"), [(0, False), (50, False), (-100, True)])
def test_voi_luts_agree_with_pydicom(tmp_path, depth, entries, bits, first, signed):
    ds = radiograph(texture(depth, signed), depth, signed, identity=False)
    curve = (1 - numpy.cos(numpy.linspace(0, numpy.pi, entries))) / 2 * (2**bits - 1)
    ds.VOILUTSequence = table(curve.round(), first, bits)
    if signed:
        ds.VOILUTSequence[0]["LUTDescriptor"].VR = "SS"
    # The table comes before the window.
    ds.WindowCenter, ds.WindowWidth = 100, 10
    found = shown(ds, tmp_path / "x.dcm")
    assert numpy.abs(found - by_pydicom(ds)).max() < 1e-4


def test_modality_luts_agree_with_pydicom(tmp_path):
    ds = radiograph(texture(12), 12, identity=False)
    ds.ModalityLUTSequence = table(numpy.linspace(1, 65535, 4096) ** 0.5 * 255, 0, 16)
    ds.WindowCenter, ds.WindowWidth = 30000, 40000
    assert numpy.abs(shown(ds, tmp_path / "x.dcm") - by_pydicom(ds)).max() <= one_level(ds)


@pytest.mark.parametrize(("photometric", "shape"), [("MONOCHROME1", None), ("MONOCHROME1", "INVERSE"), ("MONOCHROME2", "INVERSE")])
def test_dense_stored_dark_is_inverted_once_and_after_the_window(tmp_path, photometric, shape):
    ds = radiograph(texture(12), 12, identity=False)
    ds.WindowCenter, ds.WindowWidth = 1500, 900
    upright = shown(ds, tmp_path / "x.dcm")
    ds.PhotometricInterpretation = photometric
    if shape:
        ds.PresentationLUTShape = shape
    assert numpy.allclose(shown(ds, tmp_path / "y.dcm"), 1 - upright)
    assert read(tmp_path / "y.dcm")[0]["notes"] == ["inverted"]


@pytest.mark.parametrize("signed", [False, True])
@pytest.mark.parametrize("limit", [None, 40])
def test_padding_is_black_and_out_of_the_range(tmp_path, signed, limit):
    values = texture(10, signed).clip(100, 400)
    lowest = -500 if signed else 0
    padded = values.copy()
    padded[:, :9], padded[:, 9:12] = lowest, lowest + 30
    ds = radiograph(padded, 10, signed, identity=False)
    ds.PixelPaddingValue = lowest
    ds["PixelPaddingValue"].VR = "SS" if signed else "US"
    if limit is not None:
        ds.PixelPaddingRangeLimit = lowest + limit
        ds["PixelPaddingRangeLimit"].VR = "SS" if signed else "US"
    found = shown(ds, tmp_path / "x.dcm")
    assert (found[:, :9] == 0).all()
    low, high = 100, 400
    # Without a range limit the second strip is no padding, but a border of one value, which counts for no range either.
    assert (found[:, 9:12] == 0).all()
    assert numpy.allclose(found[:, 12:], (values[:, 12:] - low) / (high - low), atol=1e-4)


def test_burned_in_borders_leave_the_picture_its_range(tmp_path):
    picture = texture(12).clip(800, 2600)
    framed = picture.copy()
    framed[:5], framed[-9:], framed[:, :3], framed[:, -7:] = 0, 4095, 0, 4095
    inside = numpy.s_[5:-9, 3:-7]
    ds = radiograph(framed, 12, identity=False)
    found = shown(ds, tmp_path / "x.dcm")
    low, high = picture[inside].min(), picture[inside].max()
    assert numpy.allclose(found[inside], (picture[inside] - low) / (high - low), atol=1e-4)
    assert found[0, 0] == 0 and found[-1, -1] == 1
    assert read(tmp_path / "x.dcm")[0]["notes"] == ["border-ignored"]


@pytest.mark.parametrize("writer", [None, ("dcmcrle",), ("dcmcjpls",), ("dcmcjpeg", "+e1"), ("gdcmconv", "--j2k")], ids=str)
def test_the_frame_asked_for_is_read(tmp_path, writer):
    values = numpy.stack([texture(12, seed=seed) for seed in range(3)])
    ds, path = radiograph(values, 12), tmp_path / "x.dcm"
    program(*writer)(ds, path) if writer else save(ds, path)
    for frame in range(3):
        assert numpy.array_equal(stored(path, frame), values[frame])
    found = read(path, frame=3)[0]
    assert (found["error"], found["message"].endswith("the object has 3 (0 to 2)")) == ("Parameter", True)
    assert "one-frame-of-several" in read(path)[0]["notes"]


# How an upright image is stored, and what is noted.
ORIENTATIONS = {
    "LF": (lambda a: a, []),
    "RF": (numpy.fliplr, ["mirrored-turned"]),
    "LH": (numpy.flipud, ["mirrored-turned"]),
    "RH": (lambda a: numpy.rot90(a, 2), ["rotated-turned"]),
    "FL": (numpy.transpose, ["mirrored-turned"]),
    "FR": (lambda a: numpy.rot90(a, 1), ["rotated-turned"]),
    "HL": (lambda a: numpy.rot90(a, -1), ["rotated-turned"]),
    "HR": (lambda a: numpy.rot90(a, 2).T, ["mirrored-turned"]),
}


@pytest.mark.parametrize("orientation", ORIENTATIONS)
def test_stored_turned_is_shown_upright_and_flagged(tmp_path, orientation):
    turned, notes = ORIENTATIONS[orientation]
    upright = texture(12)
    ds = radiograph(turned(upright), 12)
    ds.PatientOrientation, ds.PixelSpacing = list(orientation), [0.2, 0.1]
    found = read(save(ds, tmp_path / "x.dcm"))[0]
    assert numpy.array_equal(found["pixels"], upright)
    assert found["notes"] == notes
    assert found["spacing_mm"] == ([0.1, 0.2] if orientation[0] in "FH" else [0.2, 0.1])


def test_aspect_and_spacing(tmp_path):
    ds = radiograph(texture(8), 8)
    ds.PixelAspectRatio = [3, 2]
    found = read(save(ds, tmp_path / "x.dcm"))[0]
    assert (found["spacing_mm"], found["pixel_aspect_ratio"]) == (None, 1.5)
    ds.ImagerPixelSpacing = [0.3, 0.15]
    found = read(save(ds, tmp_path / "x.dcm"))[0]
    assert (found["spacing_mm"], found["pixel_aspect_ratio"], found["notes"]) == ([0.3, 0.15], 2, ["spacing-at-detector"])


def colours(ds, pixels, photometric):
    ds.SamplesPerPixel, ds.PhotometricInterpretation, ds.PlanarConfiguration = 3, photometric, 0
    ds.PixelData = pixels.astype(numpy.uint8).tobytes() + b"\0" * (pixels.size % 2)
    return ds


def refusal(ds, path):
    found = read(save(ds, path))[0]
    assert found.get("error") == "Input", found
    return found["message"]


def test_colour_is_refused_and_says_why(tmp_path):
    noise = numpy.random.default_rng(1).integers(0, 256, (ROWS, COLUMNS, 3))
    assert "truly coloured picture" in refusal(colours(radiograph(texture(8), 8), noise, "RGB"), tmp_path / "rgb.dcm")
    palette = radiograph(texture(8), 8)
    palette.PhotometricInterpretation = "PALETTE COLOR"
    for name in "Red", "Green", "Blue":
        setattr(palette, f"{name}PaletteColorLookupTableDescriptor", [256, 0, 8])
        setattr(palette, f"{name}PaletteColorLookupTableData", bytes(range(256)))
    assert "PALETTE COLOR is not that of a radiograph" in refusal(palette, tmp_path / "palette.dcm")


def wrapped(photometric, syntax, encode):
    """A colour codec; the object says which colours it keeps."""

    def write(ds, path):
        pixels = numpy.frombuffer(ds.PixelData, "u1")[: 3 * ROWS * COLUMNS].reshape(ROWS, COLUMNS, 3)
        ds.PhotometricInterpretation, ds.PixelData = photometric, encapsulate([bytes(encode(pixels))])
        ds["PixelData"].VR, ds.file_meta.TransferSyntaxUID = "OB", syntax
        save(ds, path)

    return write


COLOUR_WRITERS = {
    "native": save,
    "rle": program("dcmcrle"),
    "jpeg-lossless": program("dcmcjpeg", "+e1"),
    # Through the reversible colour transform.
    "j2k": wrapped("YBR_RCT", uid.JPEG2000Lossless, lambda p: imagecodecs.jpeg2k_encode(p, codecformat="j2k", reversible=True)),
    "htj2k": wrapped("YBR_RCT", synthetic.HTJ2K_LOSSLESS, lambda p: imagecodecs.htj2k_encode(p, rgb=True, reversible=True)),
    "jxl": wrapped("RGB", synthetic.JXL_LOSSLESS, lambda p: imagecodecs.jpegxl_encode(p, lossless=True)),
}


@pytest.mark.parametrize("name", COLOUR_WRITERS)
def test_grey_stored_as_colour_is_grey(tmp_path, name):
    grey = texture(8)
    ds = colours(radiograph(grey, 8, identity=False), numpy.repeat(grey[..., None], 3, axis=2), "RGB")
    COLOUR_WRITERS[name](ds, tmp_path / "x.dcm")
    found = read(tmp_path / "x.dcm")[0]
    assert "error" not in found, found
    assert numpy.array_equal(found["pixels"], grey * 257)
