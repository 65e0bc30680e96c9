"""Curves and bars of the figures, as SVG. No radiograph is shown."""
import os

import matplotlib
import numpy as np

from . import bootstrap
from .figures import FINDINGS, aspect, groups, of, probability

matplotlib.use("svg")
matplotlib.rcParams.update({"svg.hashsalt": "covmap", "svg.fonttype": "none", "font.size": 9, "axes.spines.top": False, "axes.spines.right": False})
from matplotlib import pyplot as plt  # noqa: E402 (the backend comes first)

MODEL, SECOND, SHAPE, HIDDEN = "#0072b2", "#e69f00", "#999999", "#d55e00"     # told apart by colour-blind people too


def save(figure, folder, name):
    figure.tight_layout()
    figure.savefig(os.path.join(folder, name + ".svg"), metadata={"Date": None}, bbox_inches="tight")
    plt.close(figure)


def curves(positive, negative):
    """(false positive rate, sensitivity, precision) from weights per level, highest level last."""
    tp, fp = (np.concatenate([[0], np.cumsum(x[::-1])]) for x in (positive, negative))
    precision = np.divide(tp, tp + fp, out=np.ones_like(tp, float), where=tp + fp > 0)
    return fp / fp[-1], tp / tp[-1], precision


def levels(score, positive):
    _, index = np.unique(score, return_inverse=True)
    positive = np.asarray(positive)
    return tuple(np.bincount(index[m], minlength=index.max() + 1).astype(float) for m in (positive, ~positive))


def pair(title_left, title_right):
    figure, axes = plt.subplots(1, 2, figsize=(8, 3.6))
    for ax, title in zip(axes, (title_left, title_right)):
        ax.set_title(title)
    return figure, axes


def label(ax, x, y):
    ax.set_xlabel(x), ax.set_ylabel(y)


def pr_and_roc(axes, entries):
    for name, colour, (positive, negative), operating in entries:
        fpr, tpr, precision = curves(positive, negative)
        axes[0].plot(tpr, precision, color=colour, label=name)
        axes[1].plot(fpr, tpr, color=colour, label=name)
        if operating:
            tp, fp = operating
            axes[0].plot(tp / positive.sum(), tp / (tp + fp), "o", color=colour)
            axes[1].plot(fp / negative.sum(), tp / positive.sum(), "o", color=colour)
    label(axes[0], "sensitivity", "precision"), label(axes[1], "1 - specificity", "sensitivity")
    axes[1].plot([0, 1], [0, 1], ":", color=SHAPE)
    for ax in axes:
        ax.set_xlim(0, 1), ax.set_ylim(0, 1.02)
    axes[1].legend(loc="lower right", frameon=False)


def pixels(cs, folder):
    outlined = [c for c in cs if c.inside is not None]
    inside, outside = (sum(getattr(c, side) for c in outlined) for side in ("inside", "outside"))
    figure, axes = pair("Opacity, pixels: precision and sensitivity", "Receiver operating characteristic")
    pr_and_roc(axes, [(f"{len(outlined)} outlined radiographs", MODEL, (inside, outside), (inside[128:].sum(), outside[128:].sum()))])
    save(figure, folder, "pixels")


def detection(cs, hidden, folder):
    figure, axes = pair("COVID-19 against normal: precision and sensitivity", "Receiver operating characteristic")
    entries = []
    for name, colour, sample, value in (("map", MODEL, cs, probability), ("aspect ratio alone", SHAPE, cs, aspect), ("map, lungs hidden", HIDDEN, hidden, probability)):
        chosen = of(sample, "covid") + of(sample, "normal")
        covid = np.array([c.row.finding == "covid" for c in chosen])
        if covid.any() and not covid.all():
            positive = np.array([c.positive for c in chosen])
            operating = ((positive & covid).sum(), (positive & ~covid).sum()) if sample is cs and value is probability else None
            entries.append((f"{name} ({covid.sum()} and {(~covid).sum()})", colour, levels([value(c) for c in chosen], covid), operating))
    pr_and_roc(axes, entries)
    save(figure, folder, "detection")


def reliability(cs, folder):
    figure, axes = pair("Detection: probability and share of COVID-19", "Brixia zones: estimate and senior reader")
    chosen = of(cs, "covid") + of(cs, "normal")
    p, covid = np.array([c.probability for c in chosen]), np.array([float(c.row.finding == "covid") for c in chosen])
    weight = np.where(covid, 0.5 / covid.mean(), 0.5 / (1 - covid.mean()))     # fitted as if both were equally frequent
    bins(axes[0], p, covid, np.array([c.row.group for c in chosen]), np.linspace(0, 1, 11), weight, MODEL, None)
    axes[0].plot([0, 1], [0, 1], ":", color=SHAPE)
    label(axes[0], "probability (both findings weigh the same)", "share of COVID-19")
    scored = [c for c in cs if c.senior]
    if scored:
        senior = np.array([c.senior for c in scored]).ravel()
        patient = np.repeat(groups(scored), 6)
        bins(axes[1], np.array([c.estimate for c in scored]).ravel(), senior, patient, np.linspace(0, 3, 9), np.ones(len(senior)), MODEL, "covmap")
        bins(axes[1], np.array([c.junior for c in scored]).ravel(), senior, patient, np.arange(-0.5, 4), np.ones(len(senior)), SECOND, "second radiologist")
        axes[1].legend(frameon=False)
    axes[1].plot([0, 3], [0, 3], ":", color=SHAPE)
    label(axes[1], "zone score", "senior reader, mean")
    save(figure, folder, "reliability")


def bins(ax, x, y, patients, edges, weight, colour, name):
    points = []
    index = np.clip(np.digitize(x, edges) - 1, 0, len(edges) - 2)
    for k in range(len(edges) - 1):
        m = index == k
        if m.sum() >= 5:
            f = bootstrap.figure(patients[m], bootstrap.ratio(weight[m] * y[m], weight[m]))
            points.append((np.average(x[m], weights=weight[m]), f["value"], f["value"] - f["low"], f["high"] - f["value"]))
    if points:
        at, value, down, up = np.array(points).T
        ax.errorbar(at, value, [down, up], fmt="o-", color=colour, ms=3, lw=1, capsize=2, label=name)


def bland_altman(cs, folder):
    scored = [c for c in cs if c.senior]
    if not scored:
        return
    senior = np.array([sum(c.senior) for c in scored])
    figure, axes = pair("Brixia global score: covmap - senior reader", "Second radiologist - senior reader")
    for ax, other, colour in ((axes[0], np.array([c.brixia for c in scored]), MODEL), (axes[1], np.array([sum(c.junior) for c in scored]), SECOND)):
        d = other - senior
        ax.plot((other + senior) / 2, d, "o", ms=3, alpha=0.6, color=colour)
        for level, style in ((d.mean(), "-"), (d.mean() - 1.96 * d.std(ddof=1), "--"), (d.mean() + 1.96 * d.std(ddof=1), "--")):
            ax.axhline(level, ls=style, lw=1, color="black")
            ax.annotate(f"{level:+.1f}", (18, level), va="bottom", ha="right")
        ax.set_xlim(0, 18), ax.set_ylim(-13, 13)
        label(ax, "mean of both", "difference")
    save(figure, folder, "bland-altman")


def horizontal(ax, names, series):
    """Bars with intervals; `series`: (label, colour, figures)."""
    height = 0.8 / len(series)
    for i, (name, colour, figures) in enumerate(series):
        y = np.arange(len(names)) + i * height
        value = np.array([f["value"] for f in figures])
        spread = np.array([[f["value"] - (f["low"] if f["low"] is not None else f["value"]), (f["high"] if f["high"] is not None else f["value"]) - f["value"]] for f in figures]).T
        ax.barh(y, value, height, xerr=np.maximum(spread, 0), color=colour, label=name, error_kw=dict(lw=1, capsize=2))
    ax.set_yticks(np.arange(len(names)) + 0.4 - height / 2, names)
    ax.invert_yaxis(), ax.set_xlim(0, 1)


def sources(results, folder):
    rate = [(f"{s}, {f} ({v[f'positive of {f}']['n']})", v[f"positive of {f}"]) for s, v in results["sources"].items() for f in FINDINGS if f"positive of {f}" in v]
    figure, ax = plt.subplots(figsize=(7, 0.32 * len(rate) + 1))
    horizontal(ax, [n for n, _ in rate], [("positive", MODEL, [f for _, f in rate])])
    ax.set_xlabel("share called positive (95 % interval)")
    save(figure, folder, "sources")
    auc = results["detection_by_source"]
    figure, ax = plt.subplots(figsize=(8, 0.5 * len(auc) + 1.2))
    horizontal(ax, list(auc), [("map", MODEL, [v["auc"] for v in auc.values()]), ("aspect ratio alone", SHAPE, [v["aspect"] for v in auc.values()])])
    ax.axvline(0.5, ls=":", color="black", lw=1)
    ax.set_xlabel("AUC (95 % interval)"), ax.legend(frameon=False, loc="upper center", bbox_to_anchor=(0.5, 1.18), ncol=2)
    save(figure, folder, "detection-by-source")


def draw(results, cs, hidden, folder):
    os.makedirs(folder, exist_ok=True)
    pixels(cs, folder), detection(cs, hidden, folder), reliability(cs, folder), bland_altman(cs, folder), sources(results, folder)
