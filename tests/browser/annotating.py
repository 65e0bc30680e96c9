"""`covmap annotate` at work over a folder, and its interface as a script uses it."""

import json
import os
import re
import signal
import subprocess
import urllib.error
import urllib.request
from pathlib import Path

import numpy
from command import COVMAP, ROOT, covmap
from PIL import Image


def data():
    """The labelled radiographs, or None."""
    folder = Path(os.environ.get("COVMAP_DATA", ROOT / "../shared/data"))
    if (folder / "catalog.csv").exists():
        return folder
    print(f"SKIPPED: {folder} holds no labelled radiographs; set COVMAP_DATA")
    return None


def phantoms(folder, *files, size=400):
    """Phantoms of these names, without their masks."""
    for seed, name in enumerate(files, 1):
        covmap("phantom", "--out", folder / name, "--size", str(size), "--seed", str(seed), *(["--dicom"] if name.endswith(".dcm") else []))
    for mask in folder.rglob("*.*.png"):
        mask.unlink()
    return folder


class Served:
    """A server as a process of its own, so that it can be killed."""

    def __init__(self, radiographs, workspace, *arguments, port=0):
        self.workspace, self.command = Path(workspace), [COVMAP, "annotate", str(radiographs), "--workspace", str(workspace), *map(str, arguments)]
        self.start(port)

    def start(self, port=0):
        self.process = subprocess.Popen([*self.command, "--port", str(port)], stdout=subprocess.PIPE, text=True)
        line = self.process.stdout.readline()
        self.url = re.search(r"http://\S+", line)[0]
        self.port = int(re.search(r":(\d+)/", self.url)[1])

    def kill(self):
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()
        self.process.stdout.close()

    def ask(self, path, body=None, timeout=60):
        """JSON of the answer; urllib.error.HTTPError where it is refused."""
        sent = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(self.url + path, sent, {"Content-Type": "application/json"})
        with urllib.request.urlopen(request, timeout=timeout) as answer:
            return json.load(answer)

    def status(self, path, body=None):
        try:
            self.ask(path, body)
        except urllib.error.HTTPError as e:
            return e.code
        return 200

    def draft(self, reader, case, layer="infection"):
        """A mask as far as it is drawn, by what is on the disk: the journal replayed."""
        found = self.ask(f"api/readers/{reader}/cases/{case}")
        return unpack(found["draft"][layer]["runs"], found["height"], found["width"])

    def mask(self, reader, case, layer="infection"):
        return numpy.asarray(Image.open(self.workspace / "masks" / reader / f"{case}.{layer}.png"))

    def proposal(self, case, model, layer="infection"):
        return numpy.asarray(Image.open(self.workspace / "proposals" / case / f"{model}{'.lung' if layer == 'lung' else ''}.png"))


def unpack(runs, height, width):
    return numpy.repeat(numpy.array(runs[::2], numpy.uint8), runs[1::2]).reshape(height, width)


def pack(plane):
    flat = plane.ravel()
    starts = numpy.flatnonzero(numpy.r_[True, flat[1:] != flat[:-1]])
    return numpy.stack([flat[starts], numpy.diff(numpy.r_[starts, flat.size])], 1).ravel().tolist()
