"""The whole job as one would write it with pydicom, Pillow, OpenCV, onnxruntime and numpy: radiograph to JSON, masks and overlay.

The same steps as `covmap analyze`, on covmap's own network and by its rules, but for dark margins, which phantoms lack. Written for
speed where that costs no more than a line: grey levels and colours go through tables, whole planes through OpenCV.

    python radiograph_job.py MODEL.onnx --out DIR chest.dcm
"""
import argparse
import hashlib
import json
import os
import time

import cv2
import numpy as np
import onnxruntime
from PIL import Image

RIGHT, LEFT = 1, 2
OPACITY = 0.6
CLIPPED = 0.005         # share of the pixels that may saturate at either end of the display
MIN_FRAGMENT, MIN_LUNG = 0.1, 0.005
OUTLINES = {RIGHT: (86, 220, 255), LEFT: (150, 240, 130)}
FLOOR = 0.001           # keeps the logarithms of detection finite


class Clock:
    """Milliseconds by stage."""

    def __init__(self):
        self.stages, self.last = {}, time.perf_counter()

    def lap(self, stage):
        now = time.perf_counter()
        self.stages[stage], self.last = 1e3 * (now - self.last), now


class Job:
    def __init__(self, model, threads=0):
        """`threads`: 0 leaves the choice to the libraries."""
        options = onnxruntime.SessionOptions()
        if threads:
            options.intra_op_num_threads = options.inter_op_num_threads = threads
            cv2.setNumThreads(threads)
        self.session = onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
        meta = self.session.get_modelmeta().custom_metadata_map
        self.thresholds, self.calibration, self.input = (json.loads(meta["covmap." + k]) for k in ("thresholds", "calibration", "input"))
        with open(model, "rb") as f:
            self.model = {"name": meta["covmap.name"], "sha256": hashlib.sha256(f.read()).hexdigest()}
        self.colours = colour_table()

    def run(self, path, out):
        """Writes the results; the stages' times."""
        clock = Clock()
        film, header = read(path)
        clock.lap("read and window")
        x = self.preprocess(film)
        clock.lap("preprocess")
        infection, lungs, points = self.session.run(["infection", "lungs", "points"], {"radiograph": x})
        clock.lap("network")
        labels = lung_mask(*sigmoid(lungs[0]), self.thresholds["lungs"], film.shape)
        clock.lap("lungs")
        bytes_ = infection_map(sigmoid(infection[0, 0]), self.thresholds["infection"], labels)
        clock.lap("infection map")
        result = {"input": {**header, "height": film.shape[0], "width": film.shape[1]}, **self.severity(bytes_, labels, points[0, 0]), "model": [self.model]}
        clock.lap("severity and detection")
        picture = overlay(display(film), bytes_, labels, self.colours)
        clock.lap("overlay")
        stem = os.path.join(out, os.path.splitext(os.path.basename(path))[0])
        # OpenCV's own compression: level 1, runs only. Its files come out a little smaller than covmap's.
        for ending, plane in (("overlay", picture), ("infection", bytes_), ("lung", labels)):
            cv2.imwrite(f"{stem}.{ending}.png", plane)
        with open(stem + ".json", "w") as f:
            json.dump(result, f, indent=2)
        clock.lap("PNG and JSON files")
        return clock.stages

    def preprocess(self, film):
        rows, columns = self.input["size"]
        # The filter of training; OpenCV has no antialiased bilinear one.
        x = np.asarray(Image.fromarray(film).resize((columns, rows), Image.Resampling.BILINEAR), np.float32)
        mean, deviation = cv2.meanStdDev(x)
        return ((x - np.float32(mean[0, 0])) / np.float32(deviation[0, 0]))[None, None]

    def severity(self, bytes_, labels, points):
        """Counts by lung and zone (equal vertical thirds of each lung's own box), Brixia estimate and detection."""
        infected = cv2.compare(bytes_, 127, cv2.CMP_GT)
        zones, areas, brixia, scores = {}, {}, self.calibration["brixia"], {}
        knots = np.array(brixia["knots"])
        down, across = ((2 * np.arange(m) + 1) * n // (2 * m) for m, n in zip(points.shape, labels.shape))
        sampled = labels[np.ix_(down, across)]
        for side, names in ((RIGHT, "ABC"), (LEFT, "DEF")):
            mask = cv2.compare(labels, side, cv2.CMP_EQ)
            areas[side] = cv2.countNonZero(mask)
            _, top, _, height = cv2.boundingRect(mask)
            for i, name in enumerate(names):
                rows = slice(top + -(-i * height // 3), top + -(-(i + 1) * height // 3))
                inside = mask[rows]
                area = cv2.countNonZero(inside)
                zones[name] = (area, cv2.countNonZero(cv2.bitwise_and(infected[rows], inside)), cv2.mean(bytes_[rows], inside)[0] / 255)
                here = points[(sampled == side) & ((down >= rows.start) & (down < rows.stop))[:, None]]
                counts = np.clip((zones[name][2] - knots[0, 0]) / brixia["ramp"], 0, 1)
                score = np.interp(zones[name][2], *knots.T) + counts * (here.mean() if here.size else 0)
                scores[name] = float(np.clip(score, 0, 3)) if area else None
        share = lambda names: ratio(sum(zones[z][1] for z in names), sum(zones[z][0] for z in names))    # noqa: E731
        estimate = sum(s for s in scores.values() if s is not None)
        grade = next(g for limit, g in ((1, "none"), (7.5, "mild"), (11.5, "moderate"), (np.inf, "severe")) if estimate < limit)
        total = ratio(sum(a * m for a, _, m in zones.values()), sum(a for a, _, _ in zones.values()))
        c, worst = self.calibration["detection"], max(m for _, _, m in zones.values())
        z = c["intercept"] + c["log_mean"] * np.log((total or 0) + FLOOR) + c["log_worst_zone"] * np.log(worst + FLOOR)
        probability = float(1 / (1 + np.exp(-z)))
        return {
            "lung": {"area_px": sum(areas.values()), "right_px": areas[RIGHT], "left_px": areas[LEFT]},
            "infection": {"area_px": sum(i for _, i, _ in zones.values()), "share": share("ABCDEF"), "right_share": share("ABC"),
                          "left_share": share("DEF"), "zones": {n: share(n) for n in zones}},
            "severity": {"brixia_estimate": estimate, "zones": scores, "grade": grade},
            "detection": {"probability": probability, "threshold": c["specificity95"], "positive": probability >= c["specificity95"]},
        }


def ratio(part, whole):
    return part / whole if whole else None


def read(path):
    """16-bit film, bright where the beam was stopped, and what the result says of the input."""
    with open(path, "rb") as f:
        header = {"file": os.path.basename(path), "sha256": hashlib.file_digest(f, "sha256").hexdigest()}
    if not path.endswith(".dcm"):
        film = cv2.imread(path, cv2.IMREAD_UNCHANGED)
        return film if film.dtype == np.uint16 else film.astype(np.uint16) * 257, {**header, "spacing_mm": None}
    import pydicom
    from pydicom.pixels import apply_modality_lut, apply_voi_lut
    d = pydicom.dcmread(path)
    stored = d.pixel_array
    # Every stored value once, not every pixel: the transform is a table.
    shown = apply_voi_lut(apply_modality_lut(np.arange(2 ** d.BitsStored, dtype=np.uint16), d), d).astype(np.float64)
    film = (shown * (65535 / (2 ** d.BitsStored - 1)) + 0.5).astype(np.uint16)[stored]
    if d.PhotometricInterpretation == "MONOCHROME1":
        film = cv2.bitwise_not(film)
    return film, {**header, "spacing_mm": [float(s) for s in d.PixelSpacing]}


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def lung_mask(right, left, threshold, shape):
    """0, 1 right, 2 left at native size; fragments dropped and holes filled at the network's."""
    found = [(right >= threshold) & (right >= left), (left >= threshold) & (left > right)]
    for mask, own in zip(found, (right, left)):
        kept = np.zeros(mask.shape, np.uint8)
        count, parts, stats, _ = cv2.connectedComponentsWithStats(mask.astype(np.uint8), connectivity=8)
        areas = stats[1:, cv2.CC_STAT_AREA]
        for i in range(1, count):
            if areas[i - 1] >= MIN_FRAGMENT * areas.max() and areas.max() >= MIN_LUNG * mask.size:
                kept[parts == i] = 1
        outlines, _ = cv2.findContours(kept, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
        filled = cv2.drawContours(np.zeros_like(kept), outlines, -1, 1, cv2.FILLED)
        dropped = mask & (filled == 0)
        for p in (right, left):
            p[dropped] = np.minimum(p[dropped], threshold * 0.5)
        own[(filled == 1) & (right < threshold) & (left < threshold)] = 1
    size = shape[::-1]
    right, left = (cv2.resize(p, size, interpolation=cv2.INTER_LINEAR) for p in (right, left))
    lung = cv2.compare(cv2.max(right, left), threshold, cv2.CMP_GE)
    labels = cv2.bitwise_and(lung, LEFT)
    labels[cv2.compare(right, left, cv2.CMP_GE).view(bool) & lung.view(bool)] = RIGHT
    return labels


def infection_map(p, threshold, labels):
    """Bytes, infected from 128: the threshold lies at 0.5."""
    p = np.where(p < threshold, 0.5 * p / threshold, 0.5 + 0.5 * (p - threshold) / (1 - threshold)).astype(np.float32)
    full = cv2.resize(p, labels.shape[::-1], interpolation=cv2.INTER_LINEAR)
    return cv2.copyTo(cv2.convertScaleAbs(full, alpha=255), labels)


def display(film):
    """The 0.5th percentile of its levels to 0, the 99.5th to 255."""
    cumulated = np.cumsum(cv2.calcHist([film], [0], None, [65536], [0, 65536]), dtype=np.float64)
    low, high = np.searchsorted(cumulated, [CLIPPED * film.size, (1 - CLIPPED) * film.size])
    table = np.clip((np.arange(65536.0) - low) / max(high - low, 1) * 255 + 0.5, 0, 255).astype(np.uint8)
    return table[film]


def colour_table():
    """For every map byte, what 255 of grey become in blue, green and red.

    The picture takes hue and saturation from the colour map and its value from the film. HSV is linear in the value, so that
    256 colours at full value, mixed with white by opacity, say it all.
    """
    jet = cv2.cvtColor(cv2.applyColorMap(np.arange(256, dtype=np.uint8)[:, None], cv2.COLORMAP_JET), cv2.COLOR_BGR2HSV)
    jet[..., 2] = 255
    mixed = OPACITY * np.minimum(1, np.arange(256) / 127.5)[:, None, None]
    return np.round(255 * (1 - mixed) + mixed * cv2.cvtColor(jet, cv2.COLOR_HSV2BGR)).astype(np.uint8)


def overlay(grey, bytes_, labels, colours):
    picture = cv2.multiply(cv2.cvtColor(grey, cv2.COLOR_GRAY2BGR), cv2.applyColorMap(bytes_, colours), scale=1 / 255)
    line = max(1, (max(grey.shape) + 200) // 400)
    for side, colour in OUTLINES.items():
        outlines, _ = cv2.findContours(cv2.compare(labels, side, cv2.CMP_EQ), cv2.RETR_LIST, cv2.CHAIN_APPROX_NONE)
        cv2.drawContours(picture, outlines, -1, colour[::-1], line)
    return picture


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model")
    parser.add_argument("input")
    parser.add_argument("--out", required=True)
    parser.add_argument("--threads", type=int, default=0, help="default: the libraries' choice")
    a = parser.parse_args()
    os.makedirs(a.out, exist_ok=True)
    Job(a.model, a.threads).run(a.input, a.out)


if __name__ == "__main__":
    main()
