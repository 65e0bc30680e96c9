"""Fit what turns maps into figures, on radiographs that the network behind each map has not trained on.

    python -m training.calibrate threshold MAPS... --networks DIR
        Sweeps the infection threshold over maps of unseen outlined images and normals, per fold and pooled. The networks in
        DIR must have been exported with threshold 0.5. MAPS: output of `covmap evaluate`, of one fold or of several.
    python -m training.calibrate ids MODEL.onnx
        The images of MODEL's calibration groups, one a line.
    python -m training.calibrate fit MODEL.onnx MAPS
        Fits Brixia knots and the detection logistic on MODEL's own maps of them (`covmap analyze --model MODEL.onnx`).
    python -m training.calibrate pool MODEL.onnx MAPS --networks DIR
        Fits them on the pooled out-of-fold maps of the networks in DIR, for a model trained in the same way on all folds.

`fit` and `pool` write the calibration and what it was fitted on into MODEL's metadata. `training.points` comes after them.
"""
import argparse
import json
import os

import numpy as np
import onnx
from scipy.optimize import minimize, nnls

from . import catalog, metadata, points
from .cases import grey

FLOOR = 0.001    # the same constant as in detection.rs


def unseen(model, rows):
    """Rows of the calibration groups, and scored ones without what training needs, in the folds that the model may know,
    none of which it trained on."""
    t, held = metadata.read(model, "training"), catalog.calibration_groups(rows)
    return usable(r for r in rows if (r.group in held or r.brixia) and r.group not in t["groups"] and r.fold not in t["folds_excluded"])


def usable(rows):
    return [r for r in rows if (r.brixia or r.finding in ("covid", "normal")) and not r.no_derivatives]


def features(maps, row):
    lung, byte = grey(f"{maps}/{row.id}.lung.png"), grey(f"{maps}/{row.id}.infection.png")
    inside = lung > 0
    return dict(mean=catalog.zone_means(catalog.zone_map(lung == 1, lung == 2), byte / 255.0), total=byte[inside].mean() / 255 if inside.any() else np.nan)


def ramps(x, knots):
    return np.stack([np.clip((x - a) / (b - a), 0, 1) for a, b in zip(knots, knots[1:])], -1)


def fit_curve(x, y, zero):
    """Least squares, rising in two pieces: 0 up to `zero`, level above the 90th percentile."""
    knots = np.concatenate([[zero], np.quantile(x[x > zero + 0.005], [0.45, 0.9])])
    rises, _ = nnls(ramps(x, knots), y)
    return knots, np.minimum(np.concatenate([[0.0], np.cumsum(rises)]), 3.0)


def left_out(x, y, zero, groups):
    """Zone scores of every image (images, zones), each from a curve fitted without its patient."""
    estimate = np.empty(y.shape)
    for g in np.unique(groups):
        out = groups == g
        estimate[out] = np.interp(x[out], *fit_curve(x[~out].ravel(), y[~out].ravel(), zero))
    return estimate


def fit_brixia(cases):
    """Score of a zone from the mean of the map over it; 0 is what half of the normals' zones stay below. One shape for every
    network: a dozen images to fit on are too few to choose one."""
    normals = [f["mean"] for r, f in cases if r.finding == "normal" and not r.brixia]
    cases = [(r, f) for r, f in cases if r.brixia]
    x, y = np.nan_to_num(np.stack([f["mean"] for _, f in cases])), np.array([r.brixia for r, _ in cases])
    groups = np.array([r.group for r, _ in cases])
    zero = float(np.nanmedian(normals))
    error = left_out(x, y, zero, groups) - y
    knots, scores = fit_curve(x.ravel(), y.ravel(), zero)
    sums = np.nansum(np.interp(normals, knots, scores), 1)
    record = dict(images=len(cases), patients=len(set(groups)), zone_mae_left_out=float(np.abs(error).mean()),
                  global_mae_left_out=float(np.abs(error.sum(1)).mean()), normals_below_1=float(np.mean(sums < 1)))
    return dict(feature="mean", knots=[[float(a), float(b)] for a, b in zip(knots, scores)]), record


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


def calibrate(model, cases, how):
    """Writes the calibration fitted on `cases` into the model's metadata; points, which belong to another, are taken out."""
    points.remove(model)
    brixia, brixia_record = fit_brixia(cases)
    detection, detection_record = fit_detection(cases)
    metadata.write(model, "calibration", dict(brixia=brixia, detection=detection))
    training = metadata.read(model, "training")
    training["calibrated_on"] = dict(how, **brixia_record, **detection_record)
    metadata.write(model, "training", training)
    print(json.dumps(dict(brixia=brixia, detection=detection, calibrated_on=training["calibrated_on"]), indent=1))


def fit(a, rows):
    model = onnx.load(a.model)
    cases = [(r, features(a.maps[0], r)) for r in unseen(model, rows)]
    calibrate(model, cases, dict(maps="its own, of groups that it did not train on"))
    onnx.save(model, a.model)


def pool(a, rows):
    model, networks = onnx.load(a.model), metadata.Networks(a.networks)
    used = {}
    # A fold without a network of its own has no maps.
    chosen = [r for r in usable(rows) if os.path.exists(os.path.join(a.maps[0], r.id + ".json"))]
    for r in chosen:
        known = networks.origin(a.maps[0], r)
        used[known["file"]] = known["threshold"]
    if set(used.values()) != {metadata.read(model, "thresholds")["infection"]}:
        raise SystemExit(f"the model's infection threshold differs from those of the networks behind the maps: {used}")
    calibrate(model, [(r, features(a.maps[0], r)) for r in chosen], dict(maps="pooled, each by the network that did not see it", networks=sorted(used), folds=sorted({r.fold for r in chosen})))
    onnx.save(model, a.model)


def threshold(a, rows):
    """Histograms of the bytes inside and outside the outlines give every threshold at once; a byte is 255 p, rounded."""
    networks, histograms = metadata.Networks(a.networks), {}
    for maps in a.maps:
        for r in rows:
            if not (r.outlined or r.finding == "normal") or not os.path.exists(f"{maps}/{r.id}.json"):
                continue
            if networks.origin(maps, r)["threshold"] != 0.5:
                raise SystemExit("sweep networks exported with --threshold 0.5")
            byte = grey(f"{maps}/{r.id}.infection.png")
            truth = catalog.mask(a.data, r, "infection") > 0 if r.outlined else np.zeros(byte.shape, bool)
            histograms.setdefault(r.fold, []).append((r, *(np.bincount(byte[m], minlength=256) / byte.size for m in (truth, ~truth))))
    folds = sorted(histograms)
    sets = {f"fold {k}": histograms[k] for k in folds}
    if len(folds) > 1:
        sets.update({f"folds {folds[0]} to {folds[-1]}": sum(histograms.values(), [])})
    if 0 in folds and len(folds) > 2:
        sets["without fold 0"] = sum((histograms[k] for k in folds if k), [])
    print("byte  threshold  " + "  ".join(f"{name:>20s}" for name in sets) + "\n" + " " * 17 + "  ".join(f"{'F1    false share':>20s}" for _ in sets))
    cuts = [2, 3, 5, 8, 13, 20, 26, 38, 51, 64, 77, 89, 102, 115, 128, 140, 153, 166, 179, 191, 204]
    for cut in cuts:
        print(f"{cut:4d}  {(cut - 0.5) / 255:9.3f}  " + "  ".join(f"{f1(h, cut):12.4f} {false_share(h, cut):7.4f}" for h in sets.values()))
    for k in folds if len(folds) > 1 else []:
        rest = sum((histograms[j] for j in folds if j != k), [])
        cut = max(cuts, key=lambda c: f1(rest, c))
        print(f"best on the other folds {(cut - 0.5) / 255:.3f}: fold {k} F1 {f1(histograms[k], cut):.4f}, false share on normals {false_share(histograms[k], cut):.5f}")


def f1(histograms, cut):
    """Pixel F1 over the outlined images, each of the same weight."""
    inside, outside = (sum(h[i] for h in histograms if h[0].outlined) for i in (1, 2))
    tp, fp, fn = inside[cut:].sum(), outside[cut:].sum(), inside[:cut].sum()
    return 2 * tp / (2 * tp + fp + fn)


def false_share(histograms, cut):
    return np.mean([h[2][cut:].sum() for h in histograms if h[0].finding == "normal" and not h[0].outlined])


def main():
    ap = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    what = ap.add_subparsers(dest="what", required=True)
    parsers = {name: what.add_parser(name) for name in ("threshold", "ids", "fit", "pool")}
    for name, p in parsers.items():
        if name != "threshold":
            p.add_argument("model")
        if name != "ids":
            p.add_argument("maps", nargs="+" if name == "threshold" else 1)
        if name in ("threshold", "pool"):
            p.add_argument("--networks", default="training/folds", help="folder of the networks that made the maps (default: %(default)s)")
        p.add_argument("--data", default="../shared/data")
    a = ap.parse_args()
    rows = catalog.load(a.data)
    if a.what == "ids":
        print("\n".join(r.id for r in unseen(onnx.load(a.model), rows)))
    else:
        dict(threshold=threshold, fit=fit, pool=pool)[a.what](a, rows)


if __name__ == "__main__":
    main()
