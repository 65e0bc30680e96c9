"""The plugin in a real Orthanc: what comes back, once, whatever happens to the server."""

import json
import shutil
import subprocess
import time
from concurrent.futures import ThreadPoolExecutor
from io import BytesIO

import pydicom
import pytest
from native import RELEASE, run
from PIL import Image
from server import Refused, analyzed_once, free_port, listening, until


def refused(call):
    with pytest.raises(Refused) as error:
        call()
    return error.value.status, json.loads(error.value.body)


def test_a_study_comes_back_with_its_results(orthanc, radiographs, tmp_path):
    server = orthanc()
    file = radiographs.make(1)
    instance = server.upload(file)
    status = server.idle()
    assert (status["analyzed"], status["failed"], status["errors"]) == (1, 0, 0)
    assert set(server.results(instance)) == {"CR", "SEG", "SR", "OT"}

    # What the plugin stored is what the command makes of the same file, UIDs included.
    (tmp_path / "chest.dcm").write_bytes(file)
    run(RELEASE / "covmap", "analyze", tmp_path / "chest.dcm", "--out", tmp_path, "--dicom", "seg,sr,sc", "--quiet")
    record = server.get(f"/instances/{instance}/metadata/4269")
    for kind, orthanc_id in record["results"].items():
        mine, theirs = pydicom.dcmread(tmp_path / f"chest.{kind}.dcm"), pydicom.dcmread(BytesIO(server.fetch(orthanc_id)))
        assert mine == theirs
        assert (theirs.StudyInstanceUID, theirs.PatientID) == (pydicom.dcmread(BytesIO(file)).StudyInstanceUID, "PHANTOM-1")
        (tmp_path / "stored.dcm").write_bytes(server.fetch(orthanc_id))
        assert theirs.SOPInstanceUID in run("dcmdump", "-q", "+P", "SOPInstanceUID", tmp_path / "stored.dcm").stdout
    result = server.get(f"/instances/{instance}/covmap")
    expected = json.loads((tmp_path / "chest.json").read_text())
    expected["input"]["file"] = result["input"]["file"]
    assert result == expected
    picture = Image.open(BytesIO(server.request("GET", f"/instances/{instance}/covmap/overlay")[1]))
    assert picture.size == (512, 512) and picture.format == "PNG"

    metrics = server.request("GET", "/tools/metrics-prometheus")[1].decode()
    assert "covmap_analyzed_total 1 " in metrics and "covmap_waiting 0 " in metrics
    assert "covmap-button" in server.request("GET", "/plugins/explorer.js")[1].decode()

    # Asking again changes nothing; forcing makes the same objects.
    assert server.post("/covmap/analyze", {"Resources": [instance]})["queued"] == 1
    assert server.idle()["known"] == 1
    server.post("/covmap/analyze", {"Resources": [server.get(f"/instances/{instance}/study")["ID"]], "Force": True})
    assert server.idle()["analyzed"] == 2
    assert analyzed_once(server, [instance])

    other = record["results"]["seg"]
    assert refused(lambda: server.get(f"/instances/{other}/covmap"))[1]["status"] == "ignored"
    assert refused(lambda: server.get("/instances/nowhere/covmap"))[0] == 404
    assert refused(lambda: server.post("/covmap/analyze", {"Resources": ["nowhere"]}))[0] == 404
    assert refused(lambda: server.post("/covmap/analyze", b"[]"))[0] == 400
    with pytest.raises(Refused) as error:
        server.post("/covmap/status", {})
    assert error.value.status == 405


def test_twenty_studies_by_c_store_at_once_and_retrieval_by_another_node(orthanc, radiographs, tmp_path):
    port = free_port()
    server = orthanc({"Workers": 2}, DicomModalities={"archive": ["ARCHIVE", "127.0.0.1", port]})
    files = []
    for number in range(20):
        files.append(tmp_path / f"{number}.dcm")
        files[-1].write_bytes(radiographs.make(number))
    send = ["storescu", "-aec", "ORTHANC", "127.0.0.1", str(server.dicom)]
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda batch: run(*send, *batch), [files[i::4] for i in range(4)]))
    instances = server.get("/instances")
    assert len(instances) == 20
    until(lambda: server.status()["analyzed"] == 20)
    assert server.idle()["failed"] == 0
    assert analyzed_once(server, instances)

    # C-MOVE to a node elsewhere, asked for by a third.
    archive = tmp_path / "archive"
    archive.mkdir()
    node = subprocess.Popen(["storescp", "-aet", "ARCHIVE", "-od", archive, str(port)])
    try:
        until(lambda: listening(port))
        study = pydicom.dcmread(files[7]).StudyInstanceUID
        move = ["movescu", "-S", "-aec", "ORTHANC", "-aet", "THIRD", "-aem", "ARCHIVE", "-k", "QueryRetrieveLevel=STUDY"]
        run(*move, "-k", f"StudyInstanceUID={study}", "127.0.0.1", server.dicom)
    finally:
        node.terminate()
        node.wait()
    # C-GET by a fourth.
    workstation = tmp_path / "workstation"
    workstation.mkdir()
    get = ["getscu", "-S", "-aec", "ORTHANC", "-od", workstation, "-k", "QueryRetrieveLevel=STUDY"]
    run(*get, "-k", f"StudyInstanceUID={study}", "127.0.0.1", server.dicom)
    for folder in [archive, workstation]:
        received = [pydicom.dcmread(path) for path in folder.iterdir()]
        assert sorted(data.Modality for data in received) == ["CR", "OT", "SEG", "SR"]
        assert {data.StudyInstanceUID for data in received} == {study}


def hand(data):
    data.BodyPartExamined = "HAND"


def lateral(data):
    data.ViewPosition = "LL"


def tomogram(data):
    data.Modality, data.SOPClassUID = "CT", "1.2.840.10008.5.1.4.1.1.2"


def nameless(data):
    del data.BodyPartExamined
    data.StudyDescription = "Examination"


def described(data):
    del data.BodyPartExamined
    data.SeriesDescription = "Thorax p.a."


def test_only_chest_radiographs_are_analysed(orthanc, radiographs):
    server = orthanc()
    others = [server.upload(radiographs.make(i, change)) for i, change in enumerate([hand, lateral, tomogram, nameless])]
    chest = server.upload(radiographs.make(9, described))
    status = server.idle()
    assert (status["analyzed"], status["ignored"], status["failed"]) == (1, 3, 0)
    assert analyzed_once(server, [chest])
    assert all(sum(map(len, server.results(other).values())) == 1 for other in others)
    assert "HAND" in refused(lambda: server.get(f"/instances/{others[0]}/covmap"))[1]["reason"]


def corrupt(data):
    data.PixelData = data.PixelData[:1000]


def enormous(data):
    data.Rows = data.Columns = 60000
    data.PixelData = bytes(1000)


def test_what_cannot_be_read_harms_nobody(orthanc, radiographs):
    server = orthanc()
    broken = [server.upload(radiographs.make(i, change)) for i, change in enumerate([corrupt, enormous])]
    fine = server.upload(radiographs.make(5))
    status = server.idle()
    assert (status["analyzed"], status["failed"], status["errors"]) == (1, 2, 0)
    assert analyzed_once(server, [fine])
    reasons = [refused(lambda: server.get(f"/instances/{i}/covmap")) for i in broken]
    assert all(code == 422 and body["status"] == "failed" for code, body in reasons)
    assert "60000 x 60000" in reasons[1][1]["reason"]
    # A failure is remembered, not repeated at every start.
    server.stop()
    server.start()
    status = server.idle()
    assert status["analyzed"] + status["failed"] + status["known"] == 0


def test_killed_in_the_middle_every_study_ends_analysed_once(orthanc, radiographs):
    server = orthanc({"Workers": 2})
    instances = [server.upload(radiographs.make(i)) for i in range(20)]
    # Once in the midst of the queue, once at once after the start, and once before new series are stable.
    until(lambda: server.status()["analyzed"] >= 3, step=0.02)
    server.kill()
    server.start()
    server.kill()
    server.start()
    instances += [server.upload(radiographs.make(100 + i)) for i in range(3)]
    server.kill()
    server.start()
    until(lambda: server.status()["analyzed"] > 0)
    status = server.idle()
    assert status["analyzed"] < len(instances)
    assert analyzed_once(server, instances)
    assert len(server.get("/instances")) == 4 * len(instances)


def test_a_full_queue_holds_back_and_loses_nothing(orthanc, radiographs):
    server = orthanc({"Workers": 1, "QueueLength": 2})
    instances = [server.upload(radiographs.make(i)) for i in range(12)]
    answers = [refused(lambda: server.post("/covmap/analyze", {"Resources": instances}))]
    assert answers[0][0] == 503 and answers[0][1]["queued"] + answers[0][1]["waiting"] < 12
    until(lambda: server.status()["analyzed"] == 12)
    assert server.idle()["queued"] == 0
    assert analyzed_once(server, instances)


def test_requests_are_answered_while_all_workers_are_busy(orthanc, radiographs):
    server = orthanc({"Workers": 1, "Views": "flip"})
    server.post("/covmap/analyze", {"Resources": [server.upload(radiographs.make(i)) for i in range(8)]})
    times = []
    while server.status()["analyzed"] < 6:
        began = time.monotonic()
        server.get("/statistics")
        times.append(time.monotonic() - began)
    assert sorted(times)[len(times) // 2] < 0.1


def test_an_archive_from_before_is_analysed_on_request_alone(orthanc, radiographs, tmp_path):
    folder = tmp_path / "archive"
    before = orthanc(plugin=None, folder=folder)
    old = [before.upload(radiographs.make(i)) for i in range(2)]
    before.stop()
    time.sleep(1.1)
    server = orthanc(folder=folder)
    assert server.idle()["analyzed"] == 0
    assert refused(lambda: server.get(f"/instances/{old[0]}/covmap"))[0] == 404
    server.post("/covmap/analyze", {"Resources": [old[0]]})
    assert server.idle()["analyzed"] == 1
    server.stop()
    # Other options are another result, and the archive where it is asked for.
    server.configuration["Covmap"] = {"Backfill": True, "OperatingPoint": "sensitivity95", "Store": ["sr"]}
    server.start()
    until(lambda: server.status()["analyzed"] == 2)
    assert len(server.results(old[0])["SR"]) == 2


def test_a_wrong_configuration_is_refused(plugin, tmp_path):
    for section, said in [({"Wrokers": 2}, "Covmap.Wrokers"), ({"Workers": 0}, "Covmap.Workers"), ({"Models": ["/nowhere.onnx"]}, "/nowhere.onnx")]:
        configuration = {"Plugins": [str(plugin)], "StorageDirectory": str(tmp_path / "s"), "IndexDirectory": str(tmp_path / "s"),
                         "HttpPort": free_port(), "DicomPort": free_port(), "Covmap": section}
        (tmp_path / "wrong.json").write_text(json.dumps(configuration))
        done = subprocess.run(["Orthanc", tmp_path / "wrong.json"], capture_output=True, text=True, timeout=60)
        assert done.returncode != 0 and said in done.stderr
    shutil.rmtree(tmp_path / "s", ignore_errors=True)
