"""Full-width, untrained networks: for speed figures of engines, and for `compare`."""
import os

import onnx
import torch

from . import onnx_file, synthetic
from .decoders import DECODERS
from .encoders import ENCODERS
from .network import Configuration, Segmenter


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
