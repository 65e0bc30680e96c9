"""A folder in which people and networks annotate together, as in the paper: networks propose, readers choose, edit or draw.

    cases.csv                             id, file, sha256, width, height, disagreement (most disputed first, once ranked)
    proposals/ID/MODEL.png                infection: 0 none, 1 infected; MODEL is the first eight digits of the model's SHA-256
    proposals/ID/MODEL.lung.png           lungs: 0 none, 100 the patient's right, 200 left
    decisions.jsonl                       append-only journal, schema/decision.schema.json; the last line on a mask counts
    readings.jsonl                        append-only, schema/reading.schema.json: who is done with a case, Brixia scores, comment
    masks/READER/ID.{lung,infection}.png  lung: 0, 100, 200 (or 255, sides not told); infection: 0, 1 ground glass, 2 consolidation
    drafts/READER/ID.jsonl                every change that a reader made in the page of `covmap annotate`, as it was made
    analyses/                             what `covmap analyze` wrote; may be deleted

No radiograph is copied: `file` says where it lies, from this folder.
"""
import contextlib
import csv
import fcntl
import hashlib
import io
import json
import os
import re

import fastjsonschema
import numpy as np
from PIL import Image

from .files import replace

LAYERS = {"lung": {0, 100, 200, 255}, "infection": {0, 1, 2}}
COLUMNS = ("id", "file", "sha256", "width", "height", "disagreement")


def checker(name):
    with open(os.path.join(os.path.dirname(__file__), "schema", name)) as f:
        return fastjsonschema.compile(json.load(f))


check_decision, check_reading = checker("decision.schema.json"), checker("reading.schema.json")


class Refused(Exception):
    """What was asked for would break the workspace; nothing has been changed."""


class Workspace:
    def __init__(self, folder):
        self.folder = folder

    def path(self, *parts):
        return os.path.join(self.folder, *parts)

    def cases(self):
        """Rows of cases.csv by id, in its order."""
        if not os.path.exists(self.path("cases.csv")):
            return {}
        with open(self.path("cases.csv"), newline="") as f:
            return {r["id"]: r for r in csv.DictReader(f)}

    def save_cases(self, rows):
        text = io.StringIO()
        writer = csv.DictWriter(text, COLUMNS, lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
        replace(self.path("cases.csv"), text.getvalue().encode())

    def proposals(self, case, layer):
        """Masks of one case by model."""
        end = ".lung.png" if layer == "lung" else ".png"
        folder = self.path("proposals", case)
        names = sorted(os.listdir(folder)) if os.path.isdir(folder) else []
        return {n[:8]: read(os.path.join(folder, n)) for n in names if re.fullmatch("[0-9a-f]{8}" + re.escape(end), n)}

    def proposal_path(self, case, model, layer):
        return self.path("proposals", case, model + (".lung.png" if layer == "lung" else ".png"))

    def mask_path(self, reader, case, layer):
        return self.path("masks", reader, f"{case}.{layer}.png")

    def decisions(self):
        """Every line of the journal, oldest first. A last line that was cut off by a crash is none."""
        return self.lines("decisions.jsonl", check_decision)

    def readings(self):
        """Every reading, oldest first."""
        return self.lines("readings.jsonl", check_reading)

    def lines(self, name, check):
        if not os.path.exists(self.path(name)):
            return []
        with open(self.path(name), "rb") as f:
            return [check(json.loads(line)) for line in f.read().split(b"\n")[:-1]]

    def decide(self, *, case, reader, layer, source, mask, seconds, time):
        """Writes the mask, then the decision; returns it. A crash between the two is healed by deciding the same again.

        Raises Refused where the mask does not fit, or where the file it would replace is not this reader's last decision.
        """
        known = self.cases().get(case)
        if known is None:
            raise Refused(f"{case} is not in cases.csv")
        if mask.shape != (int(known["height"]), int(known["width"])):
            raise Refused(f"the mask is {mask.shape[1]} x {mask.shape[0]}, the radiograph {known['width']} x {known['height']}")
        strange = set(np.unique(mask).tolist()) - LAYERS[layer]
        if strange:
            raise Refused(f"a mask of the {layer} has no values {sorted(strange)}")
        start = 0
        if source != "hand":
            start = self.proposals(case, layer).get(source)
            if start is None:
                raise Refused(f"model {source} has proposed no {layer} for {case}")
            if start.shape != mask.shape:
                raise Refused(f"the proposal of {source} is of another size than the radiograph")
        data = png(mask)
        decision = dict(id=case, reader=reader, layer=layer, source=source, mask_sha256=hashlib.sha256(data).hexdigest(),
                        seconds=seconds, edited_pixels=int((mask != start).sum()), time=time)
        try:
            check_decision(decision)
            line = json.dumps(decision, allow_nan=False).encode() + b"\n"
        except ValueError as e:     # fastjsonschema's own among them
            raise Refused(str(e)) from None
        with self.journal() as journal:
            path = self.mask_path(reader, case, layer)
            if os.path.exists(path):
                self.check_owner(path, decision)
            os.makedirs(os.path.dirname(path), exist_ok=True)
            replace(path, data)
            journal.write(line)
            journal.flush()
            os.fsync(journal.fileno())
        return decision

    def check_owner(self, path, decision):
        """A mask may be replaced by the reader whose last decision it is; or by itself, after a crash."""
        with open(path, "rb") as f:
            sha256 = hashlib.sha256(f.read()).hexdigest()
        same = lambda d: all(d[k] == decision[k] for k in ("id", "reader", "layer"))
        mine = [d["mask_sha256"] for d in self.decisions() if same(d)]
        if sha256 != decision["mask_sha256"] and mine[-1:] != [sha256]:
            raise Refused(f"{path} is not what {decision['reader']} decided last; it is left as it is")

    @contextlib.contextmanager
    def journal(self):
        """The journal, for one writer at a time, at its end; what a crash left of a line is cut off."""
        os.makedirs(self.folder, exist_ok=True)
        with open(self.path("decisions.jsonl"), "a+b") as f:
            fcntl.flock(f, fcntl.LOCK_EX)
            f.seek(0)
            f.truncate(f.read().rfind(b"\n") + 1)
            yield f


def read(path):
    return np.asarray(Image.open(path).convert("L"))


def png(mask):
    data = io.BytesIO()
    Image.fromarray(mask.astype(np.uint8)).save(data, "png")
    return data.getvalue()
