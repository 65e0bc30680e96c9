"""Malformed objects: five faults for every element, and streams that claim more than they hold. Reading ends with an image or with
the input's fault, in bounded memory, without a crash."""

import json
import resource
import struct
import subprocess
from io import BytesIO

import numpy
import pytest
from pydicom import Dataset, Sequence, dcmread, uid

import synthetic
from synthetic import codec, openjpeg, program, radiograph, smooth, texture

# Address space for thousands of small files; a decoder that believes what a header claims wants more and is killed for it.
BOUND = 1 << 30
KINDS = {"Input", "LimitsExceeded", "Parameter"}


def survive(files, tmp_path, bound=BOUND):
    """Reads files within bounded memory: what was made of each."""
    if not files:
        return []

    def limit():
        resource.setrlimit(resource.RLIMIT_AS, (bound, bound))

    found = []
    for start in range(0, len(files), 2000):
        part = files[start : start + 2000]
        command = [synthetic.RADIOGRAPH, tmp_path, *part]
        done = subprocess.run(list(map(str, command)), capture_output=True, text=True, timeout=120, preexec_fn=limit, check=False)
        lines = [json.loads(line) for line in done.stdout.splitlines()]
        at = part[len(lines)] if len(lines) < len(part) else None
        assert done.returncode == 0, f"{at}: exit status {done.returncode}: {done.stderr[-500:]}"
        found += lines
    for file, one in zip(files, found, strict=True):
        assert one.get("error", "Input") in KINDS, (file, one)
    return found


def rich():
    """An object with every attribute that reading looks at, sequences and a private element."""
    ds = radiograph(texture(12, rows=10, columns=9), 12)
    ds.RescaleSlope, ds.RescaleIntercept, ds.RescaleType = 2, -3, "US"
    ds.PixelSpacing, ds.ImagerPixelSpacing, ds.PixelAspectRatio, ds.NumberOfFrames = [1, 1], [1, 1], [1, 1], 1
    ds.PixelPaddingValue, ds.PixelPaddingRangeLimit = 5, 6
    ds["PixelPaddingValue"].VR = ds["PixelPaddingRangeLimit"].VR = "US"
    ds.PresentationLUTShape, ds.PresentationIntentType, ds.PlanarConfiguration = "INVERSE", "FOR PRESENTATION", 0
    item = Dataset()
    item.LUTDescriptor, item.LUTData = [3, 5, 12], [1, 2, 3, 4]
    item["LUTDescriptor"].VR, item["LUTData"].VR = "US", "OW"
    item.LUTData = struct.pack("<4H", 1, 2, 3, 4)
    ds.VOILUTSequence, ds.ModalityLUTSequence = Sequence([item]), Sequence([item])
    ds.private_block(0x0009, "covmap", create=True).add_new(1, "UT", "text")
    return ds


OBJECTS = {
    "implicit": synthetic.pydicom(uid.ImplicitVRLittleEndian),
    "explicit": synthetic.pydicom(uid.ExplicitVRLittleEndian),
    "rle": program("dcmcrle"),
    "jpeg-lossless": program("dcmcjpeg", "+e1"),
    "jpeg-ls": program("dcmcjpls"),
    "j2k": program("gdcmconv", "--j2k"),
}


def places(data):
    """Element by element, as pydicom finds them: where it starts, where its value starts and ends, bytes of its length."""
    ds = dcmread(BytesIO(data))
    found = []
    for part, explicit in ((ds.file_meta, True), (ds, not ds.file_meta.TransferSyntaxUID.is_implicit_VR)):
        for element in part.elements():
            value = element.value_tell if element.is_raw else element.file_tell
            wide = explicit and element.VR in ("OB", "OW", "SQ", "UT", "UN")
            found.append((str(element.tag), value - (12 if wide else 8), value, 4 if wide or not explicit else 2))
    ends = [start for _, start, _, _ in found[1:]] + [len(data)]
    for (tag, start, value, width), end in zip(found, ends, strict=True):
        assert struct.pack("<H", int(tag[1:5], 16)) == data[start : start + 2], tag
        yield tag.upper(), start, value, end, width


def faults(data):
    lengths = [0, 1, 3, 255, 0xFFFE, 0xFFFF, 0x10000, 0x7FFFFFFF, 0xFFFFFFFE, 0xFFFFFFFF]
    for tag, start, value, end, width in places(data):
        for cut in (start, start + 3, value - 1, value, (value + end) // 2):
            yield f"{tag} cut", data[:cut]
        yield f"{tag} missing", data[:start] + data[end:]
        yield f"{tag} doubled", data[:end] + data[start:end] + data[end:]
        yield f"{tag} doubled, changed", data[:value] + bytes(byte ^ 1 for byte in data[value:end]) + data[start:]
        for representation in (b"SQ", b"UN", b"OB", b"FD", b"AT", b"UI", b"SL", b"PN", b"UT", b"US", b"DS", b"??"):
            yield f"{tag} as {representation}", data[: start + 4] + representation + data[start + 6 :]
        for length in lengths:
            field = struct.pack("<I", length)[:width]
            yield f"{tag} of {length}", data[: value - width] + field + data[value:]


@pytest.mark.parametrize("name", OBJECTS)
def test_five_faults_for_every_element(tmp_path, name):
    source = tmp_path / "source.dcm"
    OBJECTS[name](rich(), source)
    files, whats = [source], ["whole"]
    for index, (what, data) in enumerate(faults(source.read_bytes())):
        files.append(tmp_path / f"{index}.dcm")
        files[-1].write_bytes(data)
        whats.append(what)
    assert len(files) > 1000
    found = survive(files, tmp_path)
    assert "error" not in found[0], found[0]
    # Faults that matter are seen: what reading cannot do without is missing, and half an image is none.
    errors = {what for what, one in zip(whats, found, strict=True) if "error" in one}
    for tag in ("(0028,0010)", "(0028,0011)", "(0028,0100)", "(0028,0101)", "(0028,0004)", "(7FE0,0010)"):
        assert f"{tag} missing" in errors, tag
        assert f"{tag} cut" in errors, tag
    assert 0.2 < len(errors) / len(files) < 0.9


CODECS = {
    "rle": program("dcmcrle"),
    "jpeg-baseline": program("dcmcjpeg", "+eb"),
    "jpeg-extended-12": program("dcmcjpeg", "+ee", "+bt"),
    "jpeg-lossless": program("dcmcjpeg", "+e1"),
    "jpeg-ls": program("dcmcjpls"),
    "j2k": codec(uid.JPEG2000Lossless, lambda f, ds: openjpeg(f, ds, reversible=True)),
    "htj2k": codec(synthetic.HTJ2K_LOSSLESS, lambda f, ds: synthetic.imagecodecs.htj2k_encode(f, reversible=True)),
    "jxl": codec(synthetic.JXL_LOSSLESS, lambda f, ds: synthetic.imagecodecs.jpegxl_encode(f, lossless=True)),
}


def written(name, tmp_path, rows=48, columns=40):
    bits = 8 if name == "jpeg-baseline" else 12 if name == "jpeg-extended-12" else 16
    path = tmp_path / "source.dcm"
    CODECS[name](radiograph(smooth(bits, rows=rows, columns=columns), bits), path)
    return path


@pytest.mark.parametrize("name", CODECS)
def test_streams_that_contradict_their_object_are_refused(tmp_path, name):
    source = written(name, tmp_path)
    files = [source]
    for attribute, value in (("Rows", 47), ("Rows", 49), ("Columns", 39), ("Columns", 41), ("Rows", 4800), ("Columns", 65535)):
        ds = dcmread(source)
        setattr(ds, attribute, value)
        files.append(tmp_path / f"{attribute}{value}.dcm")
        ds.save_as(files[-1])
    found = survive(files, tmp_path)
    assert "error" not in found[0], found[0]
    for one in found[1:]:
        # Runs have no header, and those of a flat end may hold some pixels more.
        assert one.get("error") in ("Input", "LimitsExceeded") or (name == "rle" and one["rows"] * one["columns"] < 48 * 40), one


@pytest.mark.parametrize("name", CODECS)
def test_broken_streams_are_refused_or_read(tmp_path, name):
    source = written(name, tmp_path)
    data = source.read_bytes()
    at = data.rindex(struct.pack("<HH", 0x7FE0, 0x0010))
    random = numpy.random.default_rng(7)
    files = []
    for index in range(400):
        broken = bytearray(data)
        # Headers of streams are short, so half the hits go there.
        for _ in range(random.integers(1, 4)):
            broken[random.integers(at + 28, min(at + 180, len(data)) if index % 2 else len(data))] = random.integers(0, 256)
        files.append(tmp_path / f"{index}.dcm")
        files[-1].write_bytes(broken)
    survive(files, tmp_path)


# JPEG XL does not write its size in whole bytes; the broken streams above change it.
@pytest.mark.parametrize("name", [name for name in CODECS if name not in ("rle", "jxl")])
def test_a_small_file_that_claims_a_large_image_costs_little(tmp_path, name):
    """The stream's own header claims the size too, so that only decoding can find it out."""
    source = written(name, tmp_path)
    ds = dcmread(source)
    stream = bytearray(ds.PixelData)
    side = 5000
    marker = {"jpeg-baseline": b"\xff\xc0", "jpeg-extended-12": b"\xff\xc1", "jpeg-lossless": b"\xff\xc3", "jpeg-ls": b"\xff\xf7"}.get(name)
    if marker:
        start = stream.index(marker) + 5
        stream[start : start + 4] = struct.pack(">HH", side, side)
    else:
        start = stream.index(b"\xff\x51") + 6
        stream[start : start + 8] = struct.pack(">II", side, side)
        stream[start + 16 : start + 24] = struct.pack(">II", side, side)
    ds.PixelData, ds.Rows, ds.Columns = bytes(stream), side, side
    ds.save_as(tmp_path / "claims.dcm")
    assert survive([tmp_path / "claims.dcm"], tmp_path)[0].get("error") == "Input"
