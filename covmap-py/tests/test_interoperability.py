"""Results in the hands of other libraries: same values, and no copy that is not asked for."""

import warnings
from pathlib import Path

import highdicom
import numpy as np
import pydicom
import pytest
import SimpleITK
from pydicom.sr.codedict import codes

import covmap


def test_simpleitk(analysis: covmap.Analysis) -> None:
    image = SimpleITK.GetImageFromArray(analysis.infection_map)
    assert image.GetSize() == (analysis.width, analysis.height)
    assert np.array_equal(SimpleITK.GetArrayViewFromImage(image), analysis.infection_map)
    shape = SimpleITK.LabelShapeStatisticsImageFilter()
    shape.Execute(SimpleITK.GetImageFromArray(analysis.lung_mask))
    areas = [shape.GetNumberOfPixels(label) for label in (1, 2)]
    lung = analysis.to_dict()["lung"]
    assert areas == [lung["right_px"], lung["left_px"]]
    overlay = SimpleITK.GetImageFromArray(analysis.overlay(), isVector=True)
    assert overlay.GetNumberOfComponentsPerPixel() == 3
    # And the other way: an image is an array, by its own means.
    assert covmap.analyze(SimpleITK.GetArrayViewFromImage(image)).width == analysis.width


def test_highdicom(phantom_dicom: Path) -> None:
    source, analysis = pydicom.dcmread(phantom_dicom), covmap.analyze(phantom_dicom)
    algorithm = highdicom.AlgorithmIdentificationSequence(
        name=analysis.models[0][0], family=codes.cid7162.ArtificialIntelligence, version=covmap.__version__
    )
    segment = highdicom.seg.SegmentDescription(
        segment_number=1,
        segment_label="opacity",
        segmented_property_category=codes.SCT.MorphologicallyAbnormalStructure,
        segmented_property_type=codes.SCT.Lesion,
        algorithm_type=highdicom.seg.SegmentAlgorithmTypeValues.AUTOMATIC,
        algorithm_identification=algorithm,
    )
    segmentation = highdicom.seg.Segmentation(
        source_images=[source],
        pixel_array=analysis.infection_map >= 128,
        segmentation_type=highdicom.seg.SegmentationTypeValues.BINARY,
        segment_descriptions=[segment],
        series_instance_uid=highdicom.UID(),
        series_number=2,
        sop_instance_uid=highdicom.UID(),
        instance_number=1,
        manufacturer="test",
        manufacturer_model_name="test",
        software_versions="0",
        device_serial_number="0",
    )
    assert np.array_equal(segmentation.pixel_array.squeeze() > 0, analysis.infection_map >= 128)


def test_numpy_and_pillow(analysis: covmap.Analysis) -> None:
    from PIL import Image

    assert np.shares_memory(np.asarray(analysis.infection_map), analysis.infection_map)
    assert np.array_equal(np.asarray(Image.fromarray(analysis.infection_map)), analysis.infection_map)
    writable = analysis.infection_map.copy()
    writable[:] = 0
    assert analysis.infection_map.any()


def test_torch(analysis: covmap.Analysis) -> None:
    torch = pytest.importorskip("torch")
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "The given NumPy array is not writable")
        shared = torch.from_numpy(analysis.infection_map)
    assert shared.data_ptr() == analysis.infection_map.ctypes.data
    own = torch.from_numpy(analysis.infection_map.copy())
    own.zero_()
    assert analysis.infection_map.any() and bool((shared > 0).any())
    assert np.array_equal(covmap.Radiograph(shared).pixels, covmap.Radiograph(analysis.infection_map).pixels)


def test_monai(analysis: covmap.Analysis) -> None:
    transforms = pytest.importorskip("monai.transforms")
    pipeline = transforms.Compose([transforms.EnsureChannelFirst(channel_dim="no_channel"), transforms.ScaleIntensity()])
    scaled = pipeline(analysis.infection_map)
    assert tuple(scaled.shape) == (1, analysis.height, analysis.width) and float(scaled.max()) == 1.0
    assert analysis.infection_map.max() > 1
