"""`fixtures`: narrow versions of every decoder on every encoder, an input and PyTorch's answer each, for `tests/tests/zoo.rs`."""
import os

import numpy as np
import onnx
import torch

from . import onnx_file, synthetic
from .network import Segmenter, graphs

SIDE, DIVISOR = 64, 32
LARGEST = 250_000       # bytes of a file


def write(out):
    os.makedirs(out, exist_ok=True)
    total = 0
    for seed, c in enumerate(graphs()):
        net = synthetic.narrow(Segmenter(c), DIVISOR, SIDE)
        net = synthetic.randomise(net, seed, SIDE)
        model, _ = onnx_file.build(net, SIDE, f"{c.graph}-narrow-untrained", keep_norms=True, half=True)
        onnx_file.shorten(model)
        x = synthetic.image(torch.Generator().manual_seed(100 + seed), SIDE, 1)
        worst, p = onnx_file.difference(model, net, x)
        stem = os.path.join(out, c.graph)
        onnx.save(model, stem + ".onnx")
        size = os.path.getsize(stem + ".onnx")
        print(f"{c.graph}: {len(model.graph.node)} nodes, {size} bytes, probabilities {p.min():.3f} to {p.max():.3f} "
              f"(deviation {p.std():.3f}), onnxruntime differs by {worst:.1e}")
        # The answer must vary, or a wrong one might agree with it.
        if worst > 1e-4 or p.std() < 0.1 or size > LARGEST:
            raise SystemExit(f"{c.graph} is not fit for a fixture")
        x.numpy().astype("<f4").tofile(stem + ".input.f32")
        p.astype("<f4").tofile(stem + ".probabilities.f32")
        total += sum(os.path.getsize(stem + end) for end in (".onnx", ".input.f32", ".probabilities.f32"))
    print(f"{len(graphs())} networks, {total} bytes")
