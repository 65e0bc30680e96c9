"""A real Orthanc on the loopback interface with the plugin inside, and radiographs to send to it."""

import contextlib
import copy
import http.client
import json
import shutil
import signal
import socket
import subprocess
import time
import urllib.error
import urllib.request
from io import BytesIO

import pydicom
from native import RELEASE, TOP, run
from pydicom.uid import generate_uid


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def until(condition, seconds=120, step=0.1):
    end = time.monotonic() + seconds
    while not (value := condition()):
        assert time.monotonic() < end, "waited in vain"
        time.sleep(step)
    return value


def listening(port):
    with contextlib.suppress(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", port)).close()
        return True


class Refused(Exception):
    def __init__(self, status, body):
        super().__init__(f"{status}: {body[:500]}")
        self.status, self.body = status, body


class Orthanc:
    """One storage folder; started and killed at will."""

    def __init__(self, folder, plugin, covmap=None, **settings):
        self.folder, self.http, self.dicom = folder, free_port(), free_port()
        self.process = None
        self.configuration = {
            "Name": "covmap tests", "StorageDirectory": str(folder / "storage"), "IndexDirectory": str(folder / "storage"),
            "HttpPort": self.http, "DicomPort": self.dicom, "DicomAet": "ORTHANC", "RemoteAccessAllowed": False,
            "AuthenticationEnabled": False, "Plugins": [str(plugin)] if plugin else [], "StableAge": 1, "DicomAlwaysAllowGet": True,
            "DicomAlwaysAllowMove": True, "DicomAlwaysAllowFind": True, "Covmap": covmap or {}, **settings,
        }

    def start(self):
        (self.folder / "orthanc.json").write_text(json.dumps(self.configuration))
        with open(self.folder / "log", "ab") as log:
            self.process = subprocess.Popen(["Orthanc", self.folder / "orthanc.json"], stdout=log, stderr=log)
        until(self.answers)
        return self

    def answers(self):
        assert self.process.poll() is None, self.log()[-3000:]
        with contextlib.suppress(OSError, http.client.HTTPException):
            return self.get("/system")

    def kill(self):
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()

    def stop(self):
        if self.process and self.process.poll() is None:
            self.process.terminate()
            assert self.process.wait(60) == 0, self.log()[-3000:]

    def log(self):
        return (self.folder / "log").read_text(errors="replace")

    def request(self, method, path, body=None):
        request = urllib.request.Request(f"http://127.0.0.1:{self.http}{path}", body, method=method)
        try:
            with urllib.request.urlopen(request, timeout=60) as answer:
                return answer.status, answer.read()
        except urllib.error.HTTPError as refused:
            raise Refused(refused.code, refused.read().decode()) from None

    def get(self, path):
        return json.loads(self.request("GET", path)[1])

    def post(self, path, body):
        return json.loads(self.request("POST", path, body if isinstance(body, bytes) else json.dumps(body).encode())[1])

    def upload(self, data):
        return self.post("/instances", data)["ID"]

    def status(self):
        return self.get("/covmap/status")

    def idle(self):
        """Nothing waits, and no series that just came may still become stable."""
        def quiet():
            s = self.status()
            stable = all(self.get(f"/series/{series}")["IsStable"] for series in self.get("/series"))
            return stable and not (s["queued"] or s["busy"] or s["stable_series"] or s["scanning"]) and s
        status = until(quiet, 300)
        time.sleep(0.7)
        return status if quiet() else self.idle()

    def results(self, instance):
        """What lies beside an instance in its study, by modality."""
        study = self.get(f"/instances/{instance}/study")["ID"]
        tags = [self.get(f"/instances/{i['ID']}/simplified-tags") for i in self.get(f"/studies/{study}/instances")]
        found = {}
        for tag in tags:
            found.setdefault(tag["Modality"], []).append(tag["SOPInstanceUID"])
        return found

    def fetch(self, instance):
        return self.request("GET", f"/instances/{instance}/file")[1]


def analyzed_once(server, instances):
    return all(len(found) == 4 and all(len(uids) == 1 for uids in found.values())
               for found in map(server.results, instances))


class Radiographs:
    """Phantoms as studies of their own: a few pictures, as many UIDs as wanted."""

    def __init__(self, folder, size=512, pictures=3):
        self.sources = []
        for seed in range(pictures):
            path = folder / f"phantom-{seed}.dcm"
            run(RELEASE / "covmap", "phantom", "--out", path, "--dicom", "--size", size, "--seed", seed)
            self.sources.append(pydicom.dcmread(path))

    def make(self, number, change=None):
        data = copy.deepcopy(self.sources[number % len(self.sources)])
        for name in ["StudyInstanceUID", "SeriesInstanceUID", "SOPInstanceUID"]:
            setattr(data, name, generate_uid(entropy_srcs=[str(time.time_ns()), str(number), name]))
        data.PatientID = f"PHANTOM-{number}"
        data.file_meta.MediaStorageSOPInstanceUID = data.SOPInstanceUID
        if change:
            change(data)
        data.file_meta.MediaStorageSOPClassUID = data.SOPClassUID
        file = BytesIO()
        data.save_as(file)
        return file.getvalue()


def build_plugin(installed, folder):
    run("cmake", "-S", TOP / "examples/orthanc-plugin", "-B", folder, env=installed.environment)
    run("cmake", "--build", folder, "-j2", env=installed.environment)
    plugin = folder / "libCovmapOrthanc.so"
    exported = {line.split()[2] for line in run("nm", "-D", "--defined-only", plugin).stdout.splitlines()}
    assert exported == {f"OrthancPlugin{name}" for name in ["Initialize", "Finalize", "GetName", "GetVersion"]}
    return plugin


assert shutil.which("Orthanc"), "run tests/native-packages"
