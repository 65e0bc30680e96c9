"""covmap gives what PyTorch and onnxruntime give: untrained networks on a synthetic image, trained ones, which training has compared
with PyTorch, on radiographs."""
import json
import os
import subprocess
import tempfile

import numpy as np
import onnx

from .. import images
from . import onnx_file, untrained
from .network import paper
from .train import HELD_OUT, SIDE, results

TOLERANCE = 1e-3            # largest difference of a pixel's probability
SHARE_TOLERANCE = 0.001     # of the share of the image that is marked


def by_covmap(covmap, path, x):
    """Probabilities, and the milliseconds of a run."""
    with tempfile.TemporaryDirectory() as folder:
        image, answer = os.path.join(folder, "x.f32"), os.path.join(folder, "y.f32")
        x.numpy().astype("<f4").tofile(image)
        run = subprocess.run([covmap, "model", "bench", path, "--runs", "1", "--input", image, "--output", answer, "--json"],
                             check=True, capture_output=True, text=True)
        logit = np.fromfile(answer, "<f4").astype(np.float64)
    return 1 / (1 + np.exp(-logit.reshape(x.shape))), json.loads(run.stdout)["median_ms"]


def judge(name, ours, theirs, about):
    """Prints the largest differences of several images' probabilities, by engine; whether all are small enough."""
    worst = {engine: max(np.abs(a - b).max() for a, b in zip(ours, p)) for engine, p in theirs.items()}
    share = max(abs((a >= 0.5).mean() - (b >= 0.5).mean()) for p in theirs.values() for a, b in zip(ours, p))
    print(f"{name}: covmap differs {', '.join(f'from {engine} by {w:.1e}' for engine, w in worst.items())}, in the share marked by {100 * share:.3f} points ({about})", flush=True)
    return max(worst.values()) <= TOLERANCE and share <= SHARE_TOLERANCE


def end(agree):
    if not all(agree):
        raise SystemExit(f"some differ by more than {TOLERANCE}, or by more than {100 * SHARE_TOLERANCE} points of the share marked")


def graphs(names, side, covmap):
    agree = []
    for graph in names:
        with tempfile.TemporaryDirectory() as folder:
            path, model, x, p = untrained.write(untrained.parse(graph), side, folder)
            ours, ms = by_covmap(covmap, path, x)
            agree.append(judge(graph, [ours], {"PyTorch": [p], "onnxruntime": [onnx_file.probabilities(model, x)]}, f"{ms:.0f} ms"))
    end(agree)


def trained(zoo, covmap, count):
    """The longest training of every network, on `count` outlined radiographs of the held-out fold."""
    rows = [r for r in zoo.rows if r.fold == HELD_OUT and r.outlined][:count]
    x = [images.prepared(zoo.data, r, SIDE) for r in rows]
    agree = []
    for c in paper():
        found = results(zoo.folder(c.name))
        if not found:
            continue
        path = found[-1]["path"].removesuffix(".json") + ".onnx"
        model = onnx.load(path)
        theirs = [onnx_file.probabilities(model, i) for i in x]
        agree.append(judge(c.name, [by_covmap(covmap, path, i)[0] for i in x], {"onnxruntime": theirs}, f"{len(rows)} radiographs"))
    if not agree:
        raise SystemExit(f"no results under {zoo.runs}")
    end(agree)
