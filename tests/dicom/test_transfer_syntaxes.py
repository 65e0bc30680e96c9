"""Every transfer syntax, depth and sign, as independent writers write them: exactly the stored values come back, lossy ones nearly."""

import subprocess

import imagecodecs
import numpy
import pytest
from pydicom import dcmread, uid
from pydicom.encaps import generate_frames

import synthetic
from synthetic import DEPTHS, codec, compressor, openjpeg, program, pydicom, radiograph, smooth, stored, texture

UNSIGNED = [(bits, signed) for bits, signed in DEPTHS if not signed]
WHOLE = [(8, False), (12, False), (16, False)]


def unsigned(frame, ds):
    """Two's complement of the stored bits, for codecs and writers without a sign."""
    return (frame.astype(int) & (2**ds.BitsStored - 1)).astype(f"u{ds.BitsAllocated // 8}")


def jxl(frame, ds, **options):
    return imagecodecs.jpegxl_encode(unsigned(frame, ds), bitspersample=ds.BitsStored, **options)


def opj(*options):
    return compressor("opj_compress", *options)


def ojph(*options):
    return compressor("ojph_compress", "-reversible", "true", *options)


LOSSLESS = {
    "implicit": (pydicom(uid.ImplicitVRLittleEndian), DEPTHS),
    "explicit": (pydicom(uid.ExplicitVRLittleEndian), DEPTHS),
    "big": (pydicom(uid.ExplicitVRBigEndian), DEPTHS),
    "deflated": (pydicom(uid.DeflatedExplicitVRLittleEndian), DEPTHS),
    "rle-dcmtk": (program("dcmcrle"), DEPTHS),
    # GDCM writes no RLE of 8 bits with an odd number of pixels.
    "rle-gdcm": (program("gdcmconv", "--rle"), [depth for depth in DEPTHS if depth[0] > 8]),
    "jpeg-lossless-sv1-dcmtk": (program("dcmcjpeg", "+e1"), DEPTHS),
    **{f"jpeg-lossless-sv{n}-dcmtk": (program("dcmcjpeg", "+el", "+sv", str(n)), WHOLE) for n in range(2, 8)},
    "jpeg-lossless-gdcm": (program("gdcmconv", "--jpeg"), DEPTHS),
    "jpeg-ls-dcmtk": (program("dcmcjpls"), DEPTHS),
    "jpeg-ls-gdcm": (program("gdcmconv", "--jpegls"), DEPTHS),
    "jpeg-ls-charls": (codec(uid.JPEGLSLossless, lambda f, ds: imagecodecs.jpegls_encode(f)), WHOLE),
    "j2k-gdcm": (program("gdcmconv", "--j2k"), DEPTHS),
    "j2k-openjpeg": (codec(uid.JPEG2000Lossless, lambda f, ds: openjpeg(f, ds, reversible=True)), DEPTHS),
    "j2k-openjpeg-unsigned": (codec(uid.JPEG2000Lossless, lambda f, ds: openjpeg(unsigned(f, ds), ds, reversible=True)), DEPTHS),
    "j2k-openjpeg-tiles": (codec(uid.JPEG2000Lossless, opj("-t", "32,16", "-n", "3")), UNSIGNED),
    "j2k-openjpeg-layers": (
        codec(uid.JPEG2000, opj("-r", "20,5,1", "-p", "RPCL", "-c", "[32,32],[16,16]", "-SOP", "-EPH", "-b", "16,32")),
        UNSIGNED,
    ),
    "j2k-openjpeg-modes": (codec(uid.JPEG2000Lossless, opj("-M", "63", "-n", "2")), UNSIGNED),
    "htj2k-openjph": (codec(synthetic.HTJ2K_LOSSLESS, lambda f, ds: imagecodecs.htj2k_encode(f, reversible=True)), DEPTHS),
    "htj2k-openjph-program": (codec(synthetic.HTJ2K, ojph()), UNSIGNED),
    "htj2k-openjph-rpcl": (codec(synthetic.HTJ2K_RPCL, ojph("-prog_order", "RPCL", "-num_decomps", "3")), UNSIGNED),
    "htj2k-openjph-tiles": (codec(synthetic.HTJ2K_LOSSLESS, ojph("-tile_size", "{32,16}", "-block_size", "{32,32}")), UNSIGNED),
    "jxl-libjxl": (codec(synthetic.JXL_LOSSLESS, lambda f, ds: jxl(f, ds, lossless=True)), DEPTHS),
    "jxl-libjxl-container": (codec(synthetic.JXL, lambda f, ds: jxl(f, ds, lossless=True, usecontainer=True)), [(12, False)]),
}


@pytest.mark.parametrize(
    ("name", "bits", "signed"), [(name, bits, signed) for name, (_, depths) in LOSSLESS.items() for bits, signed in depths]
)
def test_lossless_values_are_exact(tmp_path, name, bits, signed):
    values, path = texture(bits, signed), tmp_path / "x.dcm"
    LOSSLESS[name][0](radiograph(values, bits, signed), path)
    assert numpy.array_equal(stored(path), values)


def jpeg_xl_of_jpeg(frame, ds):
    return imagecodecs.jpegxl_encode_jpeg(imagecodecs.jpeg8_encode(frame, level=90))


def by_dcmtk(path):
    """DCMTK stretches pixels to the full range of 12 bits, and the window with them, through which we look."""
    done = subprocess.run(["dcmdjpeg", path, path.with_suffix(".decoded")], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    ds = dcmread(path.with_suffix(".decoded"))
    return ((ds.pixel_array - float(ds.WindowCenter)) / float(ds.WindowWidth) * 65535 + 32767.5).round()


def by(decode):
    return lambda path: decode(next(generate_frames(dcmread(path).PixelData, number_of_frames=1)))


CHARLS, OPENJPEG, OPENJPH, LIBJXL = (
    by(decode) for decode in (imagecodecs.jpegls_decode, imagecodecs.jpeg2k_decode, imagecodecs.htj2k_decode, imagecodecs.jpegxl_decode)
)

# Writer, depths, the largest difference to the values written, who else reads the file, and the largest difference to what they
# read; differences under 1 are parts of the full range, others grey levels. For HTJ2K covmap's decoder takes the edge of a
# quantisation step where OpenJPH takes its middle.
LOSSY = {
    "jpeg-baseline-dcmtk": (program("dcmcjpeg", "+eb", "+q", "95"), [(8, False)], 0.01, by_dcmtk, 1),
    "jpeg-extended-8-dcmtk": (program("dcmcjpeg", "+ee", "+ba", "+q", "95"), [(8, False)], 0.01, by_dcmtk, 1),
    "jpeg-extended-12-dcmtk": (program("dcmcjpeg", "+ee", "+bt", "+q", "95"), [(10, False), (12, False)], 0.01, by_dcmtk, 1),
    "jpeg-ls-near-dcmtk": (program("dcmcjpls", "+en", "+md", "3"), UNSIGNED, 3, CHARLS, 0),
    "jpeg-ls-near-charls": (codec(uid.JPEGLSNearLossless, lambda f, ds: imagecodecs.jpegls_encode(f, level=5)), WHOLE, 5, CHARLS, 0),
    "j2k-openjpeg": (codec(uid.JPEG2000, lambda f, ds: openjpeg(f, ds, reversible=False, level=40)), DEPTHS, 0.08, OPENJPEG, 1),
    "j2k-openjpeg-coarse": (codec(uid.JPEG2000, opj("-I", "-r", "30")), UNSIGNED, 0.3, OPENJPEG, 2),
    "htj2k-openjph": (
        codec(synthetic.HTJ2K, lambda f, ds: imagecodecs.htj2k_encode(f, 0.001, reversible=False)), DEPTHS, 0.04, OPENJPH, 0.02
    ),
    "jxl-libjxl": (codec(synthetic.JXL, lambda f, ds: jxl(f, ds, distance=0.5)), UNSIGNED, 0.02, LIBJXL, 1),
    "jxl-of-jpeg": (codec(synthetic.JXL_JPEG, jpeg_xl_of_jpeg), [(8, False)], 0.02, LIBJXL, 1),
}


@pytest.mark.parametrize(("name", "bits", "signed"), [(name, *depth) for name, case in LOSSY.items() for depth in case[1]])
def test_lossy_values_are_near(tmp_path, name, bits, signed):
    write, _, bound, reference, levels = LOSSY[name]
    values, path = smooth(bits, signed), tmp_path / "x.dcm"
    write(radiograph(values, bits, signed), path)
    found = stored(path)
    most = 2**bits - 1
    assert numpy.abs(found - values).max() <= (bound if bound >= 1 else bound * most)
    others = numpy.asarray(reference(path)).astype(numpy.int32).reshape(found.shape)
    assert numpy.abs(found - others).max() <= (levels if levels >= 1 or not levels else levels * most)
