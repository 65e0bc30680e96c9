"""Nothing of the patient module leaves the command but in DICOM results, unless it is asked to.

Known identifiers go in; then every byte that comes out is searched for them. No patient data.
"""

import json

import pydicom
import pytest
from pydicom.dataset import Dataset

from test_objects import covmap

# Of the patient module (PS3.3 C.7.1.1) and what else commonly tells who someone is.
IDENTIFIERS = {
    "PatientName": "Zwölfwasser^Quirin",
    "PatientID": "PID-998877",
    "IssuerOfPatientID": "KLINIK-XYZZY",
    "PatientBirthDate": "19610213",
    "PatientBirthTime": "034455",
    "PatientSex": "F",
    "OtherPatientNames": "Altername^Quirin",
    "PatientBirthName": "Geburtsname^Quirin",
    "PatientMotherBirthName": "Muttername",
    "PatientAge": "059Y",
    "PatientAddress": "Geheimweg 17",
    "PatientTelephoneNumbers": "+49-555-0192837",
    "PatientComments": "comment-about-the-patient",
    "EthnicGroup": "group-of-patient",
    "AccessionNumber": "ACC-445566",
    "ReferringPhysicianName": "Uberweiser^Doktor",
    "InstitutionName": "Hospital-of-the-patient",
}
# Sex is one letter, which any file contains.
TELLING = [value for key, value in IDENTIFIERS.items() if key != "PatientSex"]


def searched(content, where):
    for value in TELLING:
        for part in value.split("^"):
            for encoded in (part.encode("utf-8"), part.encode("latin-1"), part.lower().encode("utf-8")):
                assert encoded not in content, f"{part} in {where}"


def named(source, place, name):
    source.SpecificCharacterSet = "ISO_IR 100"
    for keyword, value in IDENTIFIERS.items():
        setattr(source, keyword, value)
    other = Dataset()
    other.PatientID, other.IssuerOfPatientID = "OTHER-123123", "KLINIK-XYZZY"
    source.OtherPatientIDsSequence = [other]
    source.save_as(place / name)


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    place = tmp_path_factory.mktemp("privacy")
    covmap("phantom", "--out", place / "phantom.dcm", "--dicom", "--size", "256")
    source = pydicom.dcmread(place / "phantom.dcm")
    named(source, place, "chest.dcm")
    source.SOPInstanceUID += ".1"
    source.StudyDate = "20200405"
    named(source, place, "later.dcm")
    # Faults of many kinds: their messages must not quote the header.
    source.Modality, source.SOPClassUID = "CT", pydicom.uid.CTImageStorage
    named(source, place, "ct.dcm")
    whole = (place / "chest.dcm").read_bytes()
    (place / "cut.dcm").write_bytes(whole[: len(whole) // 2])
    (place / "header.dcm").write_bytes(whole[:900])
    return place


def test_nothing_is_written_without_being_asked_for(place):
    files = [place / name for name in ("chest.dcm", "later.dcm", "ct.dcm", "cut.dcm", "header.dcm")]
    done = covmap("analyze", *files, "--out", place / "out", "--html", "--dicom", "seg,map,sr,sc", status=1)
    told = covmap("analyze", *files, "--out", place / "out", "--html", "--json", status=1)
    compared = covmap("compare", *files[:2], "--out", place / "out/compared")
    printed = covmap("compare", *files[:2], "--out", place / "out/compared", "--json")
    for run in (done, told, compared, printed):
        searched(run.stdout.encode() + run.stderr.encode(), "what the command says")
    written = [file for file in (place / "out").rglob("*") if file.is_file() and file.suffix != ".dcm"]
    assert {".json", ".html", ".png", ".jpg", ".svg"} <= {file.suffix for file in written}
    for file in written:
        searched(file.read_bytes(), file.name)
    assert "patient" not in json.loads((place / "out/chest.json").read_text())["input"]
    # They do travel in DICOM results, which belong to the patient's study.
    assert str(pydicom.dcmread(place / "out/chest.sr.dcm").PatientName) == IDENTIFIERS["PatientName"]


def test_the_patient_is_named_when_asked_for(place):
    covmap("analyze", place / "chest.dcm", "--out", place / "named", "--html", "--with-identifiers", "--quiet")
    patient = json.loads((place / "named/chest.json").read_text())["input"]["patient"]
    assert patient == {"name": IDENTIFIERS["PatientName"], "id": IDENTIFIERS["PatientID"], "birth_date": "19610213", "sex": "F"}
    page = (place / "named/chest.html").read_text()
    assert IDENTIFIERS["PatientName"] in page and IDENTIFIERS["PatientID"] in page
    # The record of the run stays free of them.
    searched((place / "named/run.json").read_bytes(), "run.json")
