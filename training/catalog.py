"""The labelled folder (its README describes it): rows, images and masks at the size training needs."""
import csv
import hashlib
import os
from dataclasses import dataclass, field

import numpy as np
from PIL import Image

LUNGS = "lungs_with_retrocardiac"      # the product's convention: behind the heart
FIELDS = "lung_fields_without_heart"   # Shenzhen's convention: a head of its own, never mixed


@dataclass
class Row:
    """One catalogue row; `text` keeps every column as published."""
    id: str
    source: str
    group: str
    fold: int
    finding: str
    license: str
    lung_mask: str
    outlined: bool
    text: dict = field(repr=False)

    @property
    def no_derivatives(self):
        return "ND" in self.license.upper().replace("-", " ").split()

    @property
    def brixia(self):
        """Scores of the senior reader, zones A to F (0..3 each), or None."""
        return [float(self.text[f"brixia_S_{z}"]) for z in "ABCDEF"] if self.text["brixia_S_Global"] else None

    @property
    def readers(self):
        """Mean of both readers, zones A to F: less noise to learn from than one of them."""
        return [(float(self.text[f"brixia_S_{z}"]) + float(self.text[f"brixia_J_{z}"])) / 2 for z in "ABCDEF"]

    @property
    def unlabelled(self):
        """COVID-19 without any label of where: what self-training can use."""
        return self.finding == "covid" and not self.outlined and not self.brixia


def load(data):
    rows = []
    with open(os.path.join(data, "catalog.csv"), newline="") as f:
        for r in csv.DictReader(f):
            rows.append(Row(r["id"], r["source"], r["group"], int(r["fold"]), r["finding"], r["license"],
                            r["lung_mask"], bool(r["infection_mask"]), r))
    return rows


def calibration_groups(rows):
    """Groups no network trains on, so that severity and detection are fitted on unseen images: every fourth group with
    Brixia scores but no outlines, of the normals, and of the unlabelled COVID-19 images."""
    taken = {r.group for r in rows if r.outlined}
    held = set()
    for kind in (lambda r: r.brixia, lambda r: r.finding == "normal", lambda r: r.unlabelled):
        groups = sorted({r.group for r in rows if kind(r)} - taken)
        held |= set(groups[::4])
        taken |= set(groups)
    return held


def fingerprint(data, rows):
    """SHA-256 over the rows used and the bytes of their images and masks."""
    h = hashlib.sha256()
    for r in sorted(rows, key=lambda r: r.id):
        h.update(repr(sorted(r.text.items())).encode())
        for kind, ext in (("images", "jpg"), ("lung", "png"), ("infection", "png")):
            path = os.path.join(data, kind, f"{r.id}.{ext}")
            if os.path.exists(path):
                with open(path, "rb") as f:
                    h.update(f.read())
    return h.hexdigest()


def image(data, row, size=None):
    im = Image.open(os.path.join(data, "images", row.id + ".jpg")).convert("L")
    return np.asarray(im.resize((size, size), Image.BILINEAR) if size else im)


def mask(data, row, kind, size=None):
    im = Image.open(os.path.join(data, kind, row.id + ".png")).convert("L")
    return np.asarray(im.resize((size, size), Image.NEAREST) if size else im)


def sides(lung):
    """A lung mask split into (patient's right, left, known): right lies on the left of a frontal image.

    Masks that name sides (100, 200) are taken at their word; others by the centres of their two large parts. Where the
    lungs touch or one is missing the sides stay unknown and only their union teaches.
    """
    from scipy import ndimage
    if set(np.unique(lung)) <= {0, 100, 200}:
        return lung == 100, lung == 200, True
    labels, n = ndimage.label(lung > 50)
    if n < 2:
        return lung > 50, np.zeros_like(lung, bool), False
    areas = ndimage.sum_labels(np.ones_like(labels), labels, range(1, n + 1))
    order = np.argsort(areas)[::-1]
    if areas[order[1]] < 0.2 * areas[order[0]]:
        return lung > 50, np.zeros_like(lung, bool), False
    a, b = (labels == order[0] + 1), (labels == order[1] + 1)
    centre = [ndimage.center_of_mass(m)[1] for m in (a, b)]
    if abs(centre[0] - centre[1]) < 0.15 * lung.shape[1]:
        return lung > 50, np.zeros_like(lung, bool), False
    return (a, b, True) if centre[0] < centre[1] else (b, a, True)


def between(right, left):
    """Where masks that leave the heart out say nothing about the lungs behind it: from one lung to the other, row by row."""
    gap = np.zeros(right.shape, bool)
    for y in np.flatnonzero(right.any(1) & left.any(1)):
        gap[y, np.flatnonzero(right[y])[-1] + 1:np.flatnonzero(left[y])[0]] = True
    return gap


def zone_map(right, left):
    """1..6 for zones A to F (severity.rs): thirds of each lung's own bounding box; 0 elsewhere."""
    out = np.zeros(right.shape, np.uint8)
    for first, lung in ((1, right), (4, left)):
        rows = np.flatnonzero(lung.any(1))
        if len(rows):
            top, height = rows[0], rows[-1] + 1 - rows[0]
            third = (np.arange(lung.shape[0]) - top) * 3 // height
            out[lung] = (first + np.broadcast_to(third[:, None], lung.shape))[lung]
    return out


def zone_means(zone, values):
    """Mean of `values` over zones A to F of a zone map; NaN without lung."""
    area, total = np.bincount(zone.ravel(), minlength=7), np.bincount(zone.ravel(), values.ravel(), minlength=7)
    return np.where(area > 0, total / np.maximum(area, 1), np.nan)[1:]
