"""What one radiograph contributes to the figures: its labels beside what `covmap` wrote about it.

Answers that are missing (no lungs) count as in score.py.
"""
import json
import math
import os
from dataclasses import dataclass, field

import numpy as np
from PIL import Image

from . import catalog

FINDINGS = ("covid", "normal", "other_pneumonia")


@dataclass
class Case:
    row: catalog.Row
    probability: float
    positive: bool
    aspect: float               # |ln(width / height)|: what the image's shape alone tells
    share: float                # infected share of the lungs
    mean: float                 # mean of the map within the lungs, 0 without lungs
    marked: float               # infected share of the image
    estimate: list              # Brixia estimate of the zones A to F
    brixia: float               # and of all
    grade: str
    flags: list
    model: str                  # SHA-256 of the network
    lung_dice: float = None
    lung_convention: str = None
    inside: np.ndarray = field(default=None, repr=False)     # share of the image per byte of the map within the outline (256)
    outside: np.ndarray = field(default=None, repr=False)    # and without it

    @property
    def counts(self):
        """True positive, false positive, false negative, true negative pixels, as shares of the image."""
        return np.array([self.inside[128:].sum(), self.outside[128:].sum(), self.inside[:128].sum(), self.outside[:128].sum()])

    @property
    def dice(self):
        tp, fp, fn, _ = self.counts
        return 2 * tp / (2 * tp + fp + fn) if tp + fp + fn else 1.0      # nothing outlined, nothing found

    @property
    def senior(self):
        return self.row.brixia

    @property
    def junior(self):
        return [float(self.row.text[f"brixia_J_{z}"]) for z in "ABCDEF"]


def grey(path):
    return np.asarray(Image.open(path).convert("L"))


def load(data, maps, rows, labels=True):
    """Cases of the rows that `maps` has; `labels=False` leaves masks unread (all that an image with a hidden part needs)."""
    return [one(data, maps, r, labels) for r in rows if os.path.exists(os.path.join(maps, r.id + ".json"))]


def one(data, maps, row, labels=True):
    stem = os.path.join(maps, row.id)
    with open(stem + ".json") as f:
        js = json.load(f)
    byte, lung = grey(stem + ".infection.png"), grey(stem + ".lung.png")
    zero = lambda x: 0.0 if x is None else float(x)
    probability, positive = js["detection"]["probability"], js["detection"]["positive"]
    wrong = row.finding != "covid"
    case = Case(row=row, probability=float(wrong) if probability is None else probability, positive=bool(positive),
                aspect=abs(math.log(byte.shape[1] / byte.shape[0])), share=zero(js["infection"]["share"]),
                mean=float(byte[lung > 0].mean() / 255) if (lung > 0).any() else 0.0, marked=float((byte >= 128).mean()),
                estimate=[zero((js["severity"]["zones"] or {}).get(z)) for z in "ABCDEF"],
                brixia=zero(js["severity"]["brixia_estimate"]), grade=js["severity"]["grade"], flags=js["quality"]["flags"], model=js["model"][0]["sha256"])
    if labels and row.lung_mask:
        truth = catalog.mask(data, row, "lung") > 50
        case.lung_convention = row.lung_mask.split(";")[0]
        case.lung_dice = 2.0 * (truth & (lung > 0)).sum() / max(1, truth.sum() + (lung > 0).sum())
    if labels and row.outlined:
        truth = catalog.mask(data, row, "infection") > 0
        case.inside, case.outside = (np.bincount(byte[m], minlength=256) / byte.size for m in (truth, ~truth))
    return case
