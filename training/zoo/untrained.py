"""Full-width, untrained networks: for speed figures of engines, and to see that covmap gives what PyTorch and onnxruntime give."""
import json
import os
import subprocess
import tempfile

import numpy as np
import onnx
import torch

from . import onnx_file, synthetic
from .decoders import DECODERS
from .encoders import ENCODERS
from .network import Configuration, Segmenter

TOLERANCE = 1e-3    # largest difference of a pixel's probability


def parse(graph):
    decoder, _, encoder = graph.partition("-")
    if decoder not in DECODERS or encoder not in ENCODERS:
        raise SystemExit(f"{graph}: decoders are {', '.join(DECODERS)}, encoders {', '.join(ENCODERS)}; write DECODER-ENCODER")
    return Configuration(decoder, encoder)


def write(c, side, out):
    """Norms stay nodes of their own, for the engine to fold. Returns path, an image, PyTorch's probabilities of it and onnxruntime's."""
    net = synthetic.randomise(Segmenter(c), seed=0, side=side)
    model, macs = onnx_file.build(net, side, f"{c.graph}-{side}-untrained", keep_norms=True)
    x = synthetic.image(torch.Generator().manual_seed(1), side, 1)
    worst, p = onnx_file.difference(model, net, x)
    path = os.path.join(out, f"{c.decoder}_{c.encoder}.onnx")
    onnx.save(model, path)
    print(f"{path}: {macs / 1e9:.2f} GMAC, {os.path.getsize(path) / 1e6:.1f} MB, probabilities {p.min():.3f} to {p.max():.3f} "
          f"(deviation {p.std():.3f}), onnxruntime differs from PyTorch by {worst:.1e}", flush=True)
    if not worst <= 1e-4:
        raise SystemExit("onnxruntime and PyTorch disagree")
    return path, model, x, p


def bench_networks(graphs, side, out):
    os.makedirs(out, exist_ok=True)
    for graph in graphs:
        write(parse(graph), side, out)


def compare(graphs, side, covmap):
    """Runs each graph by covmap too; the largest difference to both of the others must stay within TOLERANCE."""
    agree = True
    for graph in graphs:
        with tempfile.TemporaryDirectory() as folder:
            path, model, x, p = write(parse(graph), side, folder)
            image, answer = os.path.join(folder, "x.f32"), os.path.join(folder, "y.f32")
            x.numpy().astype("<f4").tofile(image)
            run = subprocess.run([covmap, "model", "bench", path, "--runs", "1", "--input", image, "--output", answer, "--json"],
                                 check=True, capture_output=True, text=True)
            ours = 1 / (1 + np.exp(-np.fromfile(answer, "<f4").astype(np.float64).reshape(p.shape)))
            worst = [float(np.abs(ours - theirs).max()) for theirs in (p, onnx_file.probabilities(model, x))]
            print(f"{graph}: covmap differs from PyTorch by {worst[0]:.1e}, from onnxruntime by {worst[1]:.1e} "
                  f"({json.loads(run.stdout)['median_ms']:.0f} ms)", flush=True)
            agree &= max(worst) <= TOLERANCE
    if not agree:
        raise SystemExit(f"some differ by more than {TOLERANCE}")
