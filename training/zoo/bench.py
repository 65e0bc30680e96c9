"""`bench-networks`: full-width, untrained networks for speed figures of engines. Norms stay nodes of their own, for the engine to fold."""
import os

import onnx
import torch

from . import onnx_file, synthetic
from .network import Configuration, Segmenter

NETWORKS = [Configuration("unet", "resnet18"), Configuration("unet", "densenet121")]
SIDE = 256


def write(out):
    os.makedirs(out, exist_ok=True)
    for c in NETWORKS:
        net = synthetic.randomise(Segmenter(c), seed=0, side=SIDE)
        model, macs = onnx_file.build(net, SIDE, f"{c.graph}-{SIDE}-untrained", keep_norms=True)
        x = synthetic.image(torch.Generator().manual_seed(1), SIDE, 1)
        worst, p = onnx_file.difference(model, net, x)
        if worst > 1e-4:
            raise SystemExit(f"{c.graph}: onnxruntime differs from PyTorch by {worst:.1e}")
        path = os.path.join(out, f"{c.decoder}_{c.encoder}.onnx")
        onnx.save(model, path)
        print(f"{path}: {macs / 1e9:.2f} GMAC, {os.path.getsize(path) / 1e6:.1f} MB, probabilities {p.min():.3f} to {p.max():.3f}, "
              f"onnxruntime differs by {worst:.1e}")
