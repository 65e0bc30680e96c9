"""DICOM results and the page, as other people's software reads them: pydicom, highdicom, dicom3tools and DCMTK.

Runs the built command (COVMAP, else target/release/covmap) on phantoms; no patient data.
"""

import json
import os
import re
import shutil
import subprocess
from html.parser import HTMLParser
from pathlib import Path

import highdicom
import numpy
import pydicom
import pytest
from PIL import Image
from verifiers import dciodvfy, said, tool

ROOT = Path(__file__).resolve().parents[2]
COVMAP = os.environ.get("COVMAP", str(ROOT / "target/release/covmap"))
KINDS = ("seg", "map", "sr", "sc")
# Rows differ from columns, and no frame of bits ends with a byte.
ROWS, COLUMNS = 251, 203
NAMES = ("chest", "mirrored")


def covmap(*arguments, status=0):
    done = subprocess.run([COVMAP, *map(str, arguments)], capture_output=True, text=True)
    assert done.returncode == status, done.stdout + done.stderr
    return done


def analyze(place, out):
    files = [place / f"{name}.dcm" for name in NAMES]
    covmap("analyze", *files, "--out", out, "--dicom", "sr,seg", "--dicom", "sc,map", "--html", "--quiet")


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    place = tmp_path_factory.mktemp("dicom")
    covmap("phantom", "--out", place / "phantom.dcm", "--dicom", "--size", "256")
    source = pydicom.dcmread(place / "phantom.dcm")
    pixels = source.pixel_array[:ROWS, 20 : 20 + COLUMNS]
    source.Rows, source.Columns = pixels.shape
    source.PixelData = pixels.tobytes()
    source.save_as(place / "chest.dcm")
    # Stored mirrored, as its orientation says; of another patient, whose name is not ASCII; some attributes missing.
    source.PixelData = numpy.fliplr(pixels).tobytes()
    source.PatientOrientation = ["R", "F"]
    source.SpecificCharacterSet = "ISO_IR 100"
    source.PatientName = "Müller^Jörg"
    source.PatientSex = ""
    del source.AccessionNumber, source.PatientBirthDate
    source.StudyInstanceUID += ".1"
    source.SOPInstanceUID = source.file_meta.MediaStorageSOPInstanceUID = source.SOPInstanceUID + ".1"
    source.SeriesInstanceUID += ".1"
    source.save_as(place / "mirrored.dcm")
    analyze(place, place / "out")
    return place


def read(place, name, kind):
    return pydicom.dcmread(place / "out" / f"{name}.{kind}.dcm")


def picture(place, name, kind):
    return numpy.asarray(Image.open(place / "out" / f"{name}.{kind}.png"))


def result(place, name):
    return json.loads((place / "out" / f"{name}.json").read_text())


def stored(name, plane):
    """A result as it lies in the stored source."""
    return numpy.fliplr(plane) if name == "mirrored" else plane


@pytest.mark.parametrize("name", NAMES)
def test_segments_are_the_masks(place, name):
    segmentation = highdicom.seg.segread(place / "out" / f"{name}.seg.dcm")
    assert segmentation.segmentation_type == highdicom.seg.SegmentationTypeValues.BINARY
    lungs, infection = picture(place, name, "lung"), picture(place, name, "infection")
    wanted = [stored(name, mask) for mask in (lungs == 1, lungs == 2, infection >= 128)]
    assert all(mask.any() for mask in wanted[:2])
    assert numpy.array_equal(segmentation.pixel_array, wanted)
    source = pydicom.dcmread(place / f"{name}.dcm")
    found = segmentation.get_pixels_by_source_instance([source.SOPInstanceUID])
    assert numpy.array_equal(found[0], numpy.stack(wanted, axis=-1))
    assert [tuple(map(str, uids)) for uids in segmentation.get_source_image_uids()] == [
        (source.StudyInstanceUID, source.SeriesInstanceUID, source.SOPInstanceUID)
    ]
    described = [segmentation.get_segment_description(number) for number in (1, 2, 3)]
    assert [d.segmented_property_type.value for d in described] == ["39607008", "39607008", "112001"]
    sides = [d.SegmentedPropertyTypeCodeSequence[0].SegmentedPropertyTypeModifierCodeSequence[0].CodeMeaning for d in described[:2]]
    assert sides == ["Right", "Left"]
    model = result(place, name)["model"][0]
    assert all(d.algorithm_identification.name == model["name"] for d in described)
    assert all(model["sha256"] in d.algorithm_identification[0].AlgorithmParameters for d in described)


@pytest.mark.parametrize("name", NAMES)
def test_the_fractional_segment_is_the_map(place, name):
    segmentation = highdicom.seg.segread(place / "out" / f"{name}.map.dcm")
    assert segmentation.segmentation_type == highdicom.seg.SegmentationTypeValues.FRACTIONAL
    assert segmentation.segmentation_fractional_type == highdicom.seg.SegmentationFractionalTypeValues.PROBABILITY
    assert segmentation.MaximumFractionalValue == 255
    wanted = stored(name, picture(place, name, "infection"))
    assert wanted.max() >= 128 and len(numpy.unique(wanted)) > 50
    assert numpy.array_equal(segmentation.pixel_array, wanted)
    source = pydicom.dcmread(place / f"{name}.dcm")
    found = segmentation.get_pixels_by_source_instance([source.SOPInstanceUID])
    assert found.shape == (1, ROWS, COLUMNS, 1)
    assert numpy.allclose(found[0, ..., 0], wanted / 255, atol=1e-6), "highdicom gives probabilities"
    binary = highdicom.seg.segread(place / "out" / f"{name}.seg.dcm")
    assert numpy.array_equal(wanted >= 128, binary.pixel_array[2])


@pytest.mark.parametrize("kind", ["seg", "map"])
def test_highdicoms_own_segmentation_is_no_better(place, kind):
    """What dciodvfy says of ours it says of an object of the same kind that highdicom writes, too."""
    source = pydicom.dcmread(place / "chest.dcm")
    ours = highdicom.seg.segread(place / "out" / f"chest.{kind}.dcm")
    binary = kind == "seg"
    masks = picture(place, "chest", "infection")
    segments = [highdicom.seg.SegmentDescription(
        segment_number=1, segment_label="Opacity", segmented_property_category=ours.get_segment_description(1).segmented_property_category,
        segmented_property_type=ours.get_segment_description(1).segmented_property_type,
        algorithm_type="AUTOMATIC", algorithm_identification=highdicom.AlgorithmIdentificationSequence(
            name="control", version="1", family=highdicom.sr.CodedConcept("123110", "DCM", "Artificial Intelligence")))]
    control = highdicom.seg.Segmentation(
        source_images=[source], pixel_array=(masks >= 128) if binary else (masks / 255).astype(numpy.float32),
        segmentation_type="BINARY" if binary else "FRACTIONAL", segment_descriptions=segments, series_instance_uid=highdicom.UID(),
        series_number=1, sop_instance_uid=highdicom.UID(), instance_number=1, manufacturer="control", manufacturer_model_name="control",
        software_versions="1", device_serial_number="1", max_fractional_value=255)
    control.save_as(place / f"control.{kind}.dcm")

    def errors(file):
        return {re.sub(r"<[^>]*>", "<>", line) for line in dciodvfy(file)[1]}

    assert errors(place / "out" / f"chest.{kind}.dcm") <= errors(place / f"control.{kind}.dcm")


def numbers(group):
    return {m.name.meaning: m.value for m in group.get_measurements()}


@pytest.mark.parametrize("name", NAMES)
def test_the_report_holds_the_numbers_of_the_json(place, name):
    report = highdicom.sr.srread(place / "out" / f"{name}.sr.dcm")
    wanted = result(place, name)
    groups = {g.tracking_identifier: g for g in report.content.get_image_measurement_groups()}
    share, brixia = "Share of area with opacity", "Brixia score estimate"
    infection, severity = wanted["infection"], wanted["severity"]
    both = numbers(groups["Both lungs"])
    assert both[share] == pytest.approx(infection["share"], rel=1e-13)
    assert both[brixia] == pytest.approx(severity["brixia_estimate"], rel=1e-13)
    assert both["Area"] == pytest.approx(infection["area_mm2"], rel=1e-13)
    assert numbers(groups["Right lung"])[share] == pytest.approx(infection["right_share"], rel=1e-13)
    assert numbers(groups["Left lung"])[share] == pytest.approx(infection["left_share"], rel=1e-13)
    for label, group in groups.items():
        if zone := re.match("Zone ([A-F]), (right|left) ", label):
            found = numbers(group)
            assert found[share] == pytest.approx(infection["zones"][zone[1]], rel=1e-13)
            assert found[brixia] == pytest.approx(severity["zones"][zone[1]], rel=1e-13)
            site = group.finding_sites[0]
            assert site.laterality.meaning.lower() == zone[2]
    assert len(groups) == 10
    detection = numbers(groups["Detection"])
    assert detection["Probability"] == pytest.approx(wanted["detection"]["probability"], rel=1e-13)
    assert detection["Threshold Value"] == pytest.approx(wanted["detection"]["threshold"], rel=1e-13)
    text = json.dumps(report.to_json_dict())
    for words in ("not a diagnosis", "consistent with", wanted["model"][0]["sha256"], wanted["detection"]["operating_point"]):
        assert words in text
    answer = "Positive" if wanted["detection"]["positive"] else "Negative"
    assert f'["{answer}"]' in text
    assert ("orientation" in text or "turned" in text) == (name == "mirrored")


@pytest.mark.parametrize("name", NAMES)
def test_the_secondary_capture_is_the_overlay(place, name):
    capture = read(place, name, "sc")
    assert (capture.PhotometricInterpretation, capture.BurnedInAnnotation) == ("RGB", "NO")
    assert numpy.array_equal(capture.pixel_array, picture(place, name, "overlay"))
    assert list(capture.PatientOrientation) == ["L", "F"]


@pytest.mark.parametrize("name", NAMES)
def test_patient_and_study_are_those_of_the_source(place, name):
    source = pydicom.dcmread(place / f"{name}.dcm")
    series = set()
    for kind in KINDS:
        found = read(place, name, kind)
        for keyword in ("PatientName", "PatientID", "PatientBirthDate", "PatientSex", "StudyInstanceUID", "StudyDate", "StudyTime",
                        "StudyID", "AccessionNumber", "ReferringPhysicianName", "SpecificCharacterSet", "ContentDate"):
            assert keyword in found, f"{kind} lacks {keyword}"
            assert found[keyword].value == source.get(keyword, found[keyword].empty_value), f"{kind} {keyword}"
        assert found.file_meta.TransferSyntaxUID == pydicom.uid.ExplicitVRLittleEndian
        assert found.file_meta.MediaStorageSOPInstanceUID == found.SOPInstanceUID != source.SOPInstanceUID
        assert found.SOPInstanceUID.is_valid and found.SOPInstanceUID.startswith("2.25.")
        series.add(found.SeriesInstanceUID)
    assert len(series - {source.SeriesInstanceUID}) == len(KINDS)


def test_a_second_run_makes_the_same_bytes(place):
    analyze(place, place / "again")
    for file in sorted((place / "out").iterdir()):
        if file.name != "run.json":
            assert file.read_bytes() == (place / "again" / file.name).read_bytes(), file.name
    entry = json.loads((place / "out/run.json").read_text())["files"][0]
    written = {Path(output).name for output in entry["outputs"]}
    assert {"chest.seg.dcm", "chest.map.dcm", "chest.sr.dcm", "chest.sc.dcm", "chest.html", "chest.json"} <= written


def test_what_is_no_dicom_is_refused_for_dicom(place):
    covmap("phantom", "--out", place / "plain.png", "--size", "128")
    done = covmap("analyze", place / "plain.png", "--out", place / "refused", "--dicom", "seg", status=1)
    assert "plain.png: DICOM results belong to the study of a DICOM image" in done.stderr
    assert [file.name for file in (place / "refused").iterdir()] == ["run.json"]


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("kind", KINDS)
def test_dciodvfy_finds_no_error(place, name, kind):
    lines, faults = dciodvfy(place / "out" / f"{name}.{kind}.dcm")
    assert not faults, faults
    iod = {"seg": "Segmentation", "map": "Segmentation", "sr": "ComprehensiveSR", "sc": "SCImage"}[kind]
    assert iod in lines


@pytest.mark.parametrize("name", NAMES)
def test_dcentvfy_finds_one_patient_and_study(place, name):
    files = [place / f"{name}.dcm", *(place / "out" / f"{name}.{kind}.dcm" for kind in KINDS)]
    _, out, err = said(tool("dcentvfy"), *files)
    # Its warnings name attributes that the source lacks and the standard wants, which are there without a value.
    faults = [line for line in (out + err).splitlines() if not line.startswith("Warning")]
    assert not faults, faults


@pytest.mark.parametrize("name", NAMES)
def test_dcmtk_reads_everything(place, name):
    for kind in KINDS:
        status, _, err = said(tool("dcmdump"), place / "out" / f"{name}.{kind}.dcm")
        assert (status, err) == (0, "")
    status, page, err = said(tool("dsr2html"), place / "out" / f"{name}.sr.dcm")
    assert status == 0 and not re.search("^[EF]:", err, re.M), err
    assert "Share of area with opacity" in page and "not a diagnosis" in page


class Page(HTMLParser):
    def __init__(self):
        super().__init__()
        self.tags, self.attributes, self.words = [], [], []

    def handle_starttag(self, tag, attributes):
        self.tags.append(tag)
        self.attributes += attributes

    def handle_data(self, data):
        self.words.append(data)


def test_the_page_stands_alone_and_shows_the_numbers(place):
    """What browsers make of it is checked in tests/browser."""
    odd = place / "a <b> & 'c'.dcm"
    shutil.copy(place / "chest.dcm", odd)
    covmap("analyze", odd, "--out", place / "page", "--html", "--quiet")
    text = (place / "page/a <b> & 'c'.html").read_text()
    page = Page()
    page.feed(text)
    assert "b" not in page.tags and "link" not in page.tags and "iframe" not in page.tags
    links = [value for key, value in page.attributes if key in ("src", "href", "srcset", "action")]
    assert len(links) == 3 and all(link.startswith("data:image/png;base64,") for link in links)
    assert not any(key.startswith("on") or key == "style" for key, _ in page.attributes)
    policy = next(value for key, value in page.attributes if key == "content" and "default-src" in value)
    assert policy.startswith("default-src 'none'; img-src data:; style-src 'sha256-") and "unsafe" not in policy
    words = " ".join(page.words)
    wanted = json.loads((place / "page/a <b> & 'c'.json").read_text())
    zones = [f"{100 * share:.1f} %" for share in wanted["infection"]["zones"].values()]
    for shown in (odd.name, *zones, f"{wanted['severity']['brixia_estimate']:.1f} of 18", wanted["severity"]["grade"],
                  f"{wanted['detection']['probability']:.3f}", wanted["detection"]["operating_point"], wanted["model"][0]["sha256"],
                  "not a diagnosis", "consistent with", "Terms of the weights", "Limits of use"):
        assert shown in words, shown
