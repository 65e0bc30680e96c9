"""The baseline that the paper argues against: Grad-CAM maps of a classifier, scored as infection maps are.

`python -m training.gradcam --minutes 10` trains a classifier (EfficientNet-Lite0 from ImageNet; COVID-19 against normal and other
pneumonia) on folds 1 to 4, chooses the threshold of its maps on the outlined images of these folds, and writes its maps of fold 0
the way `covmap evaluate --out` does, so that score.py reads them. A run that was cut off goes on when the command is given again.
"""
import argparse
import json
import os

import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image
from torch import nn

from . import catalog, images, loop
from .network import UNetLite0

SIDE, RATE, HELD_OUT = 224, 3e-4, 0
THRESHOLDS = np.linspace(0.02, 0.98, 49)


class Classifier(nn.Module):
    """The encoder of training/network.py, mean over the map, one logit: COVID-19."""

    def __init__(self):
        super().__init__()
        net = UNetLite0().load_imagenet()
        self.stem, self.blocks, self.head = net.stem, net.blocks, nn.Linear(320, 1)

    def features(self, x):
        x = self.stem(x)
        for block in self.blocks:
            x = block(x)
        return x

    def classify(self, features):
        return self.head(features.mean((2, 3)))[:, 0]

    def forward(self, x):
        return self.classify(self.features(x))


def grad_cam(net, x):
    """Selvaraju et al. 2017 on the last feature map: (N,H,W) at the input's size, scaled to a maximum of 1, and the probabilities."""
    features = net.features(x).detach().requires_grad_()
    logit = net.classify(features)
    weights = torch.autograd.grad(logit.sum(), features)[0].mean((2, 3), keepdim=True)
    cam = (weights * features).sum(1, keepdim=True).relu().detach()
    cam = F.interpolate(cam, x.shape[2:], mode="bilinear", align_corners=False)[:, 0]
    return cam / cam.amax((1, 2), keepdim=True).clamp_min(1e-9), logit.detach().sigmoid()


def evidence(net, data, row):
    """The map of one radiograph, at its own size, times the probability: a radiograph called normal shows nothing bright."""
    cam, p = grad_cam(net, images.prepared(data, row, SIDE))
    height, width = catalog.image(data, row).shape
    full = Image.fromarray((cam[0] * p[0]).numpy()).resize((width, height), Image.BILINEAR)
    return np.asarray(full).clip(0, 1), float(p[0])


def choose(net, data, rows):
    """Threshold of the highest pixel F1 over outlined images; every image weighs the same, as in score.py."""
    counts = np.zeros((len(THRESHOLDS), 3))
    for row in rows:
        found, true = evidence(net, data, row)[0], catalog.mask(data, row, "infection") > 0
        for k, t in enumerate(THRESHOLDS):
            q = found >= t
            counts[k] += np.array([(q & true).sum(), (q & ~true).sum(), (~q & true).sum()]) / true.size
    f1 = 2 * counts[:, 0] / (2 * counts[:, 0] + counts[:, 1] + counts[:, 2])
    return float(THRESHOLDS[f1.argmax()]), float(f1.max())


def write(folder, row, found, threshold, probability):
    """ID.infection.png with the threshold at one half, an empty ID.lung.png (a classifier has no lungs) and ID.json."""
    p = np.where(found < threshold, found / threshold / 2, 0.5 + (found - threshold) / (1 - threshold) / 2)
    stem = os.path.join(folder, row.id)
    Image.fromarray(np.floor(255 * p + 0.5).astype(np.uint8)).save(stem + ".infection.png")
    Image.fromarray(np.zeros(found.shape, np.uint8)).save(stem + ".lung.png")
    with open(stem + ".json", "w") as f:
        json.dump(dict(detection=dict(probability=probability, positive=probability >= 0.5)), f)


def main():
    ap = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    ap.add_argument("--data", default="../shared/data")
    ap.add_argument("--runs", default="training/runs/gradcam")
    ap.add_argument("--minutes", type=float, default=10)
    ap.add_argument("--out", default="maps/gradcam", help="folder for the maps of fold 0")
    ap.add_argument("--seed", type=int, default=0)
    a = ap.parse_args()
    torch.manual_seed(a.seed)
    rng = torch.Generator().manual_seed(a.seed)
    rows = catalog.load(a.data)
    seen = [r for r in rows if r.fold != HELD_OUT and not r.no_derivatives]
    kinds = [("covid", 6), ("normal", 3), ("other_pneumonia", 3)]
    shares = [(images.Images(a.data, [r for r in seen if r.finding == f]), n) for f, n in kinds]
    target = torch.tensor([float(f == "covid") for f, n in kinds for _ in range(n)])
    net = Classifier().to(memory_format=torch.channels_last)
    optimizer = torch.optim.Adam(net.parameters(), RATE)

    def loss():
        x, _ = images.draw(shares, SIDE, rng)
        with torch.autocast("cpu", torch.bfloat16):
            logit = net(x.contiguous(memory_format=torch.channels_last))
        return F.binary_cross_entropy_with_logits(logit.float(), target)

    record = dict(task="covid against the rest", seed=a.seed, images={f: len(pool.rows) for (f, _), (pool, _) in zip(kinds, shares)})
    steps, minutes = loop.run(a.runs, a.minutes, net, optimizer, rng, [pool for pool, _ in shares], loss, record)
    net.eval()
    threshold, f1 = choose(net, a.data, [r for r in seen if r.outlined])
    print(f"{steps} steps in {minutes:.1f} minutes; threshold {threshold:.2f}: pixel F1 {f1:.4f} on folds 1 to 4, which the classifier was trained on")
    os.makedirs(a.out, exist_ok=True)
    held = [r for r in rows if r.fold == HELD_OUT]
    for row in held:
        found, probability = evidence(net, a.data, row)
        write(a.out, row, found, threshold, probability)
    print(f"{a.out}: maps of {len(held)} radiographs of fold {HELD_OUT}")


if __name__ == "__main__":
    main()
