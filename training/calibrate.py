"""Fit what turns maps into figures, on radiographs that the network has not trained on.

`python -m training.calibrate threshold MODEL.onnx MAPS --fold 1` sweeps the infection threshold over the maps of a fold
the model did not see; the model must have been exported with threshold 0.5. `python -m training.calibrate fit MODEL.onnx
MAPS` fits Brixia knots and the detection logistic and writes them into the model's metadata. MAPS is the output folder of
`covmap analyze --model MODEL.onnx`. `ids MODEL.onnx` prints the images to analyse for `fit`.
"""
import argparse
import json
import os

import numpy as np
import onnx
from PIL import Image
from scipy.optimize import minimize, nnls

from . import catalog
from .export import set_metadata

FLOOR = 0.001    # the same constant as in detection.rs


def metadata(model, key):
    return json.loads(next(e.value for e in model.metadata_props if e.key == "covmap." + key))


def unseen(model, rows):
    """Rows of folds that the model may be fitted on, and of patients that it never saw."""
    t = metadata(model, "training")
    groups = set(t["groups"])
    return [r for r in rows if r.fold not in t["folds_excluded"] and r.group not in groups]


def read(folder, row, kind):
    return np.asarray(Image.open(os.path.join(folder, f"{row.id}.{kind}.png")))


def zones(lung, values):
    """Mean of `values` over zones A to F (severity.rs): thirds of each lung's own bounding box; NaN without lung."""
    out = []
    for side in (1, 2):
        rows = np.flatnonzero((lung == side).any(1))
        if not len(rows):
            out += [np.nan] * 3
            continue
        top, height = rows[0], rows[-1] + 1 - rows[0]
        third = (np.arange(lung.shape[0]) - top) * 3 // height
        out += [values[(lung == side) & (third == k)[:, None]].mean() if ((lung == side) & (third == k)[:, None]).any() else np.nan
                for k in range(3)]
    return np.array(out)


def features(folder, row):
    lung, byte = read(folder, row, "lung"), read(folder, row, "infection")
    inside = lung > 0
    return dict(share=zones(lung, byte >= 128), mean=zones(lung, byte / 255.0), total=byte[inside].mean() / 255 if inside.any() else np.nan)


def ramps(x, knots):
    return np.stack([np.ones_like(x)] + [np.clip((x - a) / (b - a), 0, 1) for a, b in zip(knots, knots[1:])], 1)


def fit_ramps(x, y, knots):
    """Non-decreasing, non-negative piecewise linear least squares: scores at the knots."""
    weights, _ = nnls(ramps(x, knots), y)
    return np.minimum(np.cumsum(weights), 3.0)


def fit_brixia(cases):
    """Feature and knots with the smallest error when whole patients are left out."""
    best = None
    for name in ("share", "mean"):
        x = np.concatenate([f[name] for _, f in cases])
        y = np.concatenate([r.brixia for r, _ in cases])
        group = np.concatenate([[hash_of(r.group)] * 6 for r, _ in cases])
        ok = np.isfinite(x)
        x, y, group = x[ok], y[ok], group[ok]
        for pieces in (2, 3, 4, 6):
            knots = np.unique(np.concatenate([[0.0], np.quantile(x[x > 0.005], np.linspace(0, 1, pieces + 1)[1:])]))
            error = []
            for k in range(5):
                train = group % 5 != k
                scores = fit_ramps(x[train], y[train], knots)
                error.append(np.abs(np.interp(x[~train], knots, scores) - y[~train]))
            error = float(np.concatenate(error).mean())
            print(f"brixia zones from {name}, {pieces} pieces: MAE {error:.3f} on patients left out")
            if best is None or error < best[0] - 0.002:
                best = (error, name, knots, fit_ramps(x, y, knots), len(cases))
    error, name, knots, scores, n = best
    return dict(feature=name, knots=[[float(a), float(b)] for a, b in zip(knots, scores)]), dict(images=n, zone_mae_left_out=error)


def hash_of(group):
    return int.from_bytes(group.encode()[-4:], "little")


def fit_detection(cases):
    """Balanced logistic regression on ln(mean) and ln(worst zone), and the two operating points."""
    rows = [(r, f) for r, f in cases if r.finding in ("covid", "normal") and np.isfinite(f["total"])]
    x = np.array([[1.0, np.log(f["total"] + FLOOR), np.log(np.nanmax(f["mean"]) + FLOOR)] for _, f in rows])
    y = np.array([r.finding == "covid" for r, _ in rows])
    weight = np.where(y, 0.5 / y.mean(), 0.5 / (1 - y.mean()))

    def loss(w):
        z = x @ w
        return (weight * (np.logaddexp(0, z) - y * z)).mean() + 0.001 * (w[1:] ** 2).sum()

    # Both weights stay positive: more opacity never means a lower probability.
    w = minimize(loss, np.array([1.0, 0.5, 0.5]), bounds=[(None, None), (0, None), (0, None)]).x
    p = 1 / (1 + np.exp(-x @ w))
    fitted = dict(intercept=float(w[0]), log_mean=float(w[1]), log_worst_zone=float(w[2]),
                  sensitivity95=float(np.quantile(p[y], 0.05)), specificity95=float(np.quantile(p[~y], 0.95, method="higher")))
    return fitted, dict(covid=int(y.sum()), normal=int((~y).sum()))


def threshold(a, model, rows):
    if metadata(model, "thresholds")["infection"] != 0.5:
        raise SystemExit("sweep a model exported with --threshold 0.5")
    fold = unseen_fold(model, rows, a.fold)
    outlined = [r for r in fold if r.outlined]
    normals = [r for r in fold if r.finding == "normal" and not r.outlined]
    for t in (0.008, 0.012, 0.02, 0.03, 0.05, 0.1, 0.2, 0.3, 0.5):
        counts = np.zeros(3)
        for r in outlined:
            q, m = read(a.maps, r, "infection") / 255.0 >= t, catalog.mask(a.data, r, "infection") > 0
            counts += np.array([(q & m).sum(), (q & ~m).sum(), (~q & m).sum()]) / m.size
        false = np.mean([(read(a.maps, r, "infection") / 255.0 >= t).mean() for r in normals])
        print(f"threshold {t:.3f}: pixel F1 {2 * counts[0] / (2 * counts[0] + counts[1] + counts[2]):.4f}  false share on normals {false:.5f}")


def unseen_fold(model, rows, fold):
    t = metadata(model, "training")
    if fold in t["folds"]:
        raise SystemExit(f"the model saw fold {fold}")
    return [r for r in rows if r.fold == fold]


def main():
    ap = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    ap.add_argument("what", choices=["ids", "threshold", "fit"])
    ap.add_argument("model")
    ap.add_argument("maps", nargs="?")
    ap.add_argument("--data", default="../shared/data")
    ap.add_argument("--fold", type=int)
    a = ap.parse_args()
    model, rows = onnx.load(a.model), catalog.load(a.data)
    if a.what == "threshold":
        return threshold(a, model, rows)
    free = [r for r in unseen(model, rows) if r.brixia or r.finding in ("covid", "normal")]
    if a.what == "ids":
        return print("\n".join(r.id for r in free))
    cases = [(r, features(a.maps, r)) for r in free]
    brixia, brixia_record = fit_brixia([c for c in cases if c[0].brixia])
    detection, detection_record = fit_detection(cases)
    set_metadata(model, "calibration", dict(brixia=brixia, detection=detection))
    training = metadata(model, "training")
    training["calibrated_on"] = dict(brixia_record, **detection_record)
    set_metadata(model, "training", training)
    onnx.save(model, a.model)
    print(json.dumps(dict(brixia=brixia, detection=detection, **training["calibrated_on"]), indent=1))


if __name__ == "__main__":
    main()
