"""What proposals save a reader: `python -m training.simulate --covmap target/release/covmap --data DATA --work FOLDER`.

The paper's stages over the outlined radiographs, with their outlines as the reader. Stage I: the network without a radiograph's
fold proposes, the reader corrects until the mask is theirs, and the decision is journalled as `covmap annotate` would. Stage II, with
`--retrained`: networks trained on those decisions propose anew. Quality is the pixel F1 of all masks as they are, effort the pixels
edited so far; errors are corrected coarsest first, one connected part at a time. Pixels are a proxy of work: the second plot counts
the outline of the corrected parts instead, as somebody draws who fills.
"""
import argparse
import json
import os

import numpy as np
from scipy import ndimage

from . import catalog
from .plots import HIDDEN, MODEL, SECOND, SHAPE, label, pair, save
from .propose import propose
from .rank import dice
from .workspace import Workspace

TIME = "2020-01-01T00:00:00Z"       # of no decision: the simulation is the same whenever it runs
READER = "outline"


def proposals(workspace, data, rows, networks, covmap):
    """The mask of each radiograph by the network that has not seen it, and that network's eight digits."""
    found = {}
    for k in sorted({r.fold for r in rows}):
        folder = workspace.path("radiographs", f"fold{k}")
        os.makedirs(folder, exist_ok=True)
        own = [r for r in rows if r.fold == k]
        for r in own:
            to = os.path.join(folder, r.id + ".jpg")
            if not os.path.lexists(to):
                os.symlink(os.path.abspath(os.path.join(data, "images", r.id + ".jpg")), to)
        _, failed = propose(workspace, folder, [os.path.join(networks, f"fold{k}.onnx")], covmap)
        if failed:
            raise SystemExit(f"not analysed: {failed}")
        for r in own:
            (model, mask), = workspace.proposals(r.id, "infection").items()
            found[r.id] = model, mask
    return found


def parts(start, truth):
    """What a reader corrects: per connected part of what is wrong, its gain in true positives, in marked pixels, and its outline."""
    wrong = start != truth
    labels, n = ndimage.label(wrong)
    index = np.arange(1, n + 1)
    area = ndimage.sum_labels(wrong, labels, index)
    missing = ndimage.sum_labels(truth & wrong, labels, index)
    edge = wrong & ~ndimage.binary_erosion(wrong)
    return np.stack([area, missing, area - missing, ndimage.sum_labels(edge, labels, index)], 1) if n else np.zeros((0, 4))


def curve(starts, truths):
    """(edited pixels, drawn outline, F1) over all radiographs, as shares of their pixels, from the start to the reader's masks."""
    size = sum(t.size for t in truths)
    tp = sum(int((s & t).sum()) for s, t in zip(starts, truths))
    marked = sum(int(s.sum()) for s in starts)
    true = sum(int(t.sum()) for t in truths)
    todo = np.concatenate([parts(s, t) for s, t in zip(starts, truths)])
    todo = np.concatenate([np.zeros((1, 4)), todo[np.argsort(-todo[:, 0], kind="stable")]])
    area, missing, extra, edge = np.cumsum(todo, 0).T
    return area / size, edge / size, 2 * (tp + missing) / (marked + missing - extra + true)


def effort_at(x, f1, quality):
    """Effort from which the quality is reached."""
    return float(x[np.argmax(f1 >= quality)])


def main():
    ap = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    ap.add_argument("--covmap", default="covmap", help="the command")
    ap.add_argument("--data", required=True)
    ap.add_argument("--work", required=True, help="folder of the workspaces")
    ap.add_argument("--networks", default="training/folds", help="fold0.onnx to fold4.onnx, each without that fold (default: %(default)s)")
    ap.add_argument("--retrained", help="the same of networks that learned from stage I: a third curve")
    ap.add_argument("--out", default="training/figures", help="folder of effort.svg and effort.json (default: %(default)s)")
    a = ap.parse_args()
    rows = [r for r in catalog.load(a.data) if r.outlined]
    outlines = {r.id: catalog.mask(a.data, r, "infection") for r in rows}
    truths = [outlines[r.id] > 0 for r in rows]
    curves = {"from nothing": [np.zeros_like(t) for t in truths]}
    stages = [("stage I", a.networks)] + ([("stage II", a.retrained)] if a.retrained else [])
    report = dict(radiographs=len(rows), outlined_share=sum(t.sum() for t in truths) / sum(t.size for t in truths))
    for name, networks in stages:
        workspace = Workspace(os.path.join(a.work, name.replace(" ", "-")))
        found = proposals(workspace, a.data, rows, networks, a.covmap)
        starts = [found[r.id][1] > 0 for r in rows]
        curves[f"{name}, proposals"] = starts
        # One key takes the better of proposal and empty mask: an easy choice, where a network has gone wrong altogether.
        curves[f"{name}, best of proposal and nothing"] = [s if (s != t).sum() < t.sum() else np.zeros_like(t) for s, t in zip(starts, truths)]
        done = {d["id"] for d in workspace.decisions()}
        for r in rows:
            if r.id not in done:
                workspace.decide(case=r.id, reader=READER, layer="infection", source=found[r.id][0], mask=outlines[r.id], seconds=0, time=TIME)
        report[name] = dict(median_dice=float(np.median([dice(s, t) for s, t in zip(starts, truths)])),
                            proposals_that_help=sum(int((s != t).sum() < t.sum()) for s, t in zip(starts, truths)))
    figure, axes = pair("Pixels edited", "Outline drawn")
    colours = dict(zip(curves, (SHAPE, MODEL, SECOND, HIDDEN, "#009e73")))
    report["curves"] = {}
    for name, starts in curves.items():
        edited, drawn, f1 = curve(starts, truths)
        for ax, x in zip(axes, (edited, drawn)):
            ax.plot(100 * x, f1, color=colours[name], label=name)
        report["curves"][name] = {"f1_at_the_start": float(f1[0])} | {
            f"{kind}_for_f1_{q}": effort_at(x, f1, q) for kind, x in (("edited", edited), ("outline", drawn)) for q in (0.7, 0.8, 0.9, 0.95)}
    for ax in axes:
        label(ax, "% of all pixels", "pixel F1 with the reader")
        ax.set_ylim(0, 1.02), ax.set_xlim(0)
    axes[0].legend(loc="lower right", frameon=False)
    os.makedirs(a.out, exist_ok=True)
    save(figure, a.out, "effort")
    with open(os.path.join(a.out, "effort.json"), "w") as f:
        json.dump(report, f, indent=1, default=float)
        f.write("\n")
    print(json.dumps(report, indent=1, default=float))


if __name__ == "__main__":
    main()
