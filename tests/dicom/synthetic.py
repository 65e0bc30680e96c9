"""Synthetic DICOM radiographs of known stored values, compressed by independent writers, and what covmap reads in them."""

import json
import os
import subprocess
import tempfile
from pathlib import Path

import imagecodecs
import numpy
from pydicom import dcmread, uid
from pydicom._uid_dict import UID_dictionary
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.encaps import encapsulate

ROOT = Path(__file__).resolve().parents[2]
# Prints what reading makes of files (tests/src/bin).
RADIOGRAPH = os.environ.get("COVMAP_RADIOGRAPH", str(ROOT / "target/release/radiograph-under-test"))
# Rows differ from columns; neither is a multiple of the blocks of any codec.
ROWS, COLUMNS = 61, 83
# Bits stored, and whether they have a sign.
DEPTHS = [(8, False), (10, False), (12, False), (14, False), (16, False), (8, True), (12, True), (16, True)]


def texture(bits, signed=False, rows=ROWS, columns=COLUMNS, seed=1):
    """Every codec's work: a gradient, noise, a flat part, and the lowest and highest value side by side."""
    r, c = numpy.mgrid[0:rows, 0:columns]
    most = 2**bits - 1
    values = (r * columns + c) / (rows * columns) * most
    values += numpy.random.default_rng(seed).normal(0, most / 40, values.shape)
    values[rows // 2 :, : columns // 3] = most // 3
    values[:4, :8] = [[0, most] * 4] * 4
    return values.round().clip(0, most).astype(numpy.int32) - (2 ** (bits - 1) if signed else 0)


def smooth(bits, signed=False, rows=ROWS, columns=COLUMNS):
    """What lossy codecs are made for."""
    r, c = numpy.mgrid[0:rows, 0:columns]
    values = (0.5 + 0.4 * numpy.sin(r / 11) * numpy.cos(c / 13)) * (2**bits - 1)
    return values.round().astype(numpy.int32) - (2 ** (bits - 1) if signed else 0)


def sample(bits_allocated, signed):
    return numpy.dtype(f"{'i' if signed else 'u'}{bits_allocated // 8}")


def radiograph(values, bits, signed=False, *, allocated=None, identity=True):
    """An explicit little endian object. With `identity` its window maps stored values to themselves (signed: plus 32,768)."""
    values = numpy.asarray(values)
    ds = Dataset()
    ds.file_meta = FileMetaDataset()
    ds.file_meta.TransferSyntaxUID = uid.ExplicitVRLittleEndian
    ds.file_meta.MediaStorageSOPClassUID = ds.SOPClassUID = "1.2.840.10008.5.1.4.1.1.1.1"
    ds.file_meta.MediaStorageSOPInstanceUID = ds.SOPInstanceUID = "2.25.1"
    ds.StudyInstanceUID, ds.SeriesInstanceUID = "2.25.2", "2.25.3"
    ds.Modality, ds.ViewPosition, ds.PatientOrientation = "DX", "PA", ["L", "F"]
    ds.PatientName, ds.PatientID, ds.StudyID, ds.StudyDate, ds.StudyTime = "Synthetic^Texture", "0", "1", "", ""
    ds.PatientBirthDate, ds.PatientSex, ds.AccessionNumber, ds.ReferringPhysicianName = "", "", "", ""
    ds.SeriesNumber = ds.InstanceNumber = "1"
    if values.ndim == 3:
        ds.NumberOfFrames = len(values)
    ds.SamplesPerPixel, ds.PhotometricInterpretation = 1, "MONOCHROME2"
    ds.Rows, ds.Columns = values.shape[-2:]
    ds.BitsAllocated = allocated or (8 if bits <= 8 else 16)
    ds.BitsStored, ds.HighBit, ds.PixelRepresentation = bits, bits - 1, int(signed)
    if identity:
        ds.WindowCenter, ds.WindowWidth, ds.VOILUTFunction = (-0.5 if signed else 32767.5), 65535, "LINEAR_EXACT"
    data = values.astype(sample(ds.BitsAllocated, signed)).tobytes()
    ds.add_new("PixelData", "OB" if ds.BitsAllocated == 8 else "OW", data + b"\0" * (len(data) % 2))
    return ds


def read(*files, frame=0):
    """What covmap makes of files: a dictionary each, with `pixels` or `error`."""
    with tempfile.TemporaryDirectory() as out:
        command = [RADIOGRAPH, out, "--frame", frame, *files]
        done = subprocess.run(list(map(str, command)), capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        found = [json.loads(line) for line in done.stdout.splitlines()]
        for index, one in enumerate(found):
            if "error" not in one:
                raw = numpy.fromfile(Path(out) / f"{index}.raw", "<u2")
                one["pixels"] = raw.reshape(one["rows"], one["columns"]).astype(numpy.int32)
    assert len(found) == len(files)
    return found


def stored(file, frame=0):
    """The stored values that covmap read through the identity window."""
    found = read(file, frame=frame)[0]
    assert "error" not in found, found
    return found["pixels"] - (32768 if dcmread(file, stop_before_pixels=True).PixelRepresentation else 0)


# Writers: each takes the object to write and the path of the file.


def pydicom(syntax):
    def write(ds, path):
        words = numpy.frombuffer(ds.PixelData, "<u2")
        if syntax == uid.ExplicitVRBigEndian:
            # Bytes in words are swapped as words are (PS3.5 7.3 and A.3).
            ds.add_new("PixelData", "OW", words.astype(">u2").tobytes())
        ds.file_meta.TransferSyntaxUID = syntax
        ds.save_as(path, enforce_file_format=True)

    return write


def program(*command):
    """A command of DCMTK or GDCM that converts one file to another."""

    def write(ds, path):
        source = path.with_suffix(".native")
        ds.save_as(source, enforce_file_format=True)
        done = subprocess.run([*command, source, path], capture_output=True, text=True, errors="replace", check=False)
        assert done.returncode == 0 and path.exists(), (command, done.stdout, done.stderr)

    return write


def codec(syntax, encode):
    """A library that compresses frames, which are then wrapped by pydicom; `encode` takes a frame and the object."""

    def write(ds, path):
        ds.PixelData = encapsulate([bytes(encode(frame, ds)) for frame in frames(ds)])
        ds["PixelData"].VR = "OB"
        ds.file_meta.TransferSyntaxUID = syntax
        ds.save_as(path, enforce_file_format=True)

    return write


def frames(ds):
    values = numpy.frombuffer(ds.PixelData, sample(ds.BitsAllocated, ds.PixelRepresentation))
    count = int(ds.get("NumberOfFrames", 1))
    return values[: count * ds.Rows * ds.Columns].reshape(count, ds.Rows, ds.Columns)


def openjpeg(frame, ds, **options):
    return imagecodecs.jpeg2k_encode(frame, codecformat="j2k", bitspersample=ds.BitsStored, **options)


def compressor(name, *options):
    """ojph_compress or opj_compress, which know depths between 8 and 16 bits."""

    def encode(frame, ds):
        with tempfile.TemporaryDirectory() as folder:
            source, target = Path(folder) / "frame.pgm", Path(folder) / ("frame.j2c" if "ojph" in name else "frame.j2k")
            header = f"P5\n{ds.Columns} {ds.Rows}\n{2**ds.BitsStored - 1}\n".encode()
            source.write_bytes(header + frame.astype(">u2" if ds.BitsStored > 8 else "u1").tobytes())
            done = subprocess.run([name, "-i", source, "-o", target, *options], capture_output=True, text=True, check=False)
            assert done.returncode == 0 and target.exists(), done.stdout + done.stderr
            return target.read_bytes()

    return encode


HTJ2K_LOSSLESS, HTJ2K_RPCL, HTJ2K = "1.2.840.10008.1.2.4.201", "1.2.840.10008.1.2.4.202", "1.2.840.10008.1.2.4.203"
JXL_LOSSLESS, JXL_JPEG, JXL = "1.2.840.10008.1.2.4.110", "1.2.840.10008.1.2.4.111", "1.2.840.10008.1.2.4.112"
# pydicom 3.0 does not know them yet, and writes no syntax that it does not know.
for syntax, name in (JXL_LOSSLESS, "Lossless"), (JXL_JPEG, "JPEG Recompression"), (JXL, ""):
    UID_dictionary.setdefault(syntax, (f"JPEG XL {name}", "Transfer Syntax", "", "", ""))
