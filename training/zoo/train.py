"""Trains the zoo: the paper's loss and optimiser, a budget of minutes a network, fold 0 held out of everything.

Every network leaves RUNS/NAME/: last.pt, and after M minutes M.onnx and M.json, its figures on fold 0. More minutes go on from there.
"""
import glob
import json
import math
import os

import numpy as np
import onnx
import torch
import torch.nn.functional as F

from .. import bootstrap, catalog, images, loop, losses, metadata, metrics
from ..export import LICENSE
from ..files import write_json
from . import onnx_file
from .encoders import build as build_encoder
from .network import Segmenter

SIDE = 224
RATE, DECODER_RATE = 1e-4, 1e-3     # the paper's; a decoder starts from nothing, and there are hundreds of steps, not epochs
BATCH = 4       # many steps matter more here than smooth ones
ALPHA, GAMMA = 0.25, 2      # of the focal loss
HELD_OUT = 0                # fold
FINDINGS = ("normal", "covid", "other_pneumonia")
PRETRAINED = ("chexnet", "inceptionv3", "resnet50")     # on the findings; DenseNet-121 with them is CheXNet's stand-in


def hybrid(logit, target):
    """Focal + Dice."""
    bce = F.binary_cross_entropy_with_logits(logit, target, reduction="none")
    weight = ALPHA * target + (1 - ALPHA) * (1 - target)
    focal = (weight * (1 - torch.exp(-bce)) ** GAMMA * bce).mean()
    return focal + losses.dice(logit, target, 1.0)[0]


class Zoo:
    """The data, read when first needed, and the folder of runs."""

    def __init__(self, data, runs, weights=None, seed=0):
        self.data, self.runs, self.weights, self.seed = data, runs, weights, seed
        self.rows = catalog.load(data)
        self.seen = [r for r in self.rows if r.fold != HELD_OUT and not r.no_derivatives]
        self.loaded = {}

    def images(self, kind, rows, masked=False):
        if kind not in self.loaded:
            self.loaded[kind] = images.Images(self.data, rows, masked)
        pool = self.loaded[kind]
        pool.queue = []     # each run draws its own order
        return pool

    def folder(self, name):
        return os.path.join(self.runs, name)

    def weights_file(self, encoder):
        """A classifier's state dict (ImageNet, CheXNet) that the user has put into --weights as ENCODER.pt."""
        path = self.weights and os.path.join(self.weights, encoder + ".pt")
        return path if path and os.path.exists(path) else None

    def start(self, encoder):
        """What the encoder starts from, in words, and the patients that this has seen."""
        pretrained = results(self.folder(f"pretrain-{encoder}"))
        if self.weights_file(encoder) or not pretrained:
            return described(self.weights_file(encoder)), []
        return f"findings, here, {pretrained[-1]['minutes']:.0f} minutes, from {pretrained[-1]['start']}", pretrained[-1]["groups"]


def described(path):
    """Weights in words: the file and its hash, or that there is none."""
    if not path:
        return "random"
    return f"{os.path.basename(path)} {metadata.sha256(path)[:8]}"


class Classifier(torch.nn.Module):
    def __init__(self, encoder, weights):
        super().__init__()
        self.encoder, channels = build_encoder(encoder, weights)
        self.head = torch.nn.Linear(channels[-1], len(FINDINGS))

    def forward(self, x):
        return self.head(self.encoder(x)[-1].mean((2, 3)))


def pretrain(zoo, encoder, minutes):
    """The encoder learns the three findings of the catalogue, as CheXNet, from DenseNet-121's weights, learned fourteen."""
    if zoo.weights_file(encoder):
        raise SystemExit(f"{zoo.weights_file(encoder)} is there: networks start from it, not from pretraining")
    start = zoo.weights_file("densenet121") if encoder == "chexnet" else None
    folder = zoo.folder(f"pretrain-{encoder}")
    if finished(folder, minutes):
        return
    torch.manual_seed(zoo.seed)
    rng = torch.Generator().manual_seed(zoo.seed)
    of = {f: [r for r in zoo.seen if r.finding == f] for f in FINDINGS}
    pools = [zoo.images(f, of[f]) for f in FINDINGS]
    shares = [(pool, n) for pool, n in zip(pools, (3, 3, 2))]
    labels = torch.tensor([i for i, (_, n) in enumerate(shares) for _ in range(n)])
    net = Classifier(encoder, start).to(memory_format=torch.channels_last)
    optimizer = torch.optim.Adam(net.parameters(), RATE)

    def loss():
        x, _ = images.draw(shares, SIDE, rng)
        with loop.autocast():
            return F.cross_entropy(net(x.contiguous(memory_format=torch.channels_last)).float(), labels)

    record = dict(task="findings", encoder=encoder, start=described(start), seed=zoo.seed, images={f: len(of[f]) for f in FINDINGS})
    steps, spent, _ = loop.run(folder, minutes, net, optimizer, rng, pools, loss, record)
    right = dict.fromkeys(FINDINGS, 0)
    held = [r for r in zoo.rows if r.fold == HELD_OUT and r.finding in FINDINGS]
    net.eval()
    with torch.no_grad():
        for r in held:
            right[r.finding] += int(net(images.prepared(zoo.data, r, SIDE)).argmax()) == FINDINGS.index(r.finding)
    n = {f: sum(r.finding == f for r in held) for f in FINDINGS}
    save(folder, minutes, dict(record, steps=steps, minutes=spent, groups=sorted({r.group for rows in of.values() for r in rows}),
                      recall={f: right[f] / n[f] for f in FINDINGS}, n=n))


def train(zoo, c, minutes):
    """One network of the zoo: training, export and figures."""
    folder = zoo.folder(c.name)
    if finished(folder, minutes):
        return
    torch.manual_seed(zoo.seed)
    rng = torch.Generator().manual_seed(zoo.seed)
    outlined = [r for r in zoo.seen if r.outlined]
    normal = [r for r in zoo.seen if r.finding == "normal" and not r.outlined]
    pools = [zoo.images("outlined", outlined, masked=True), zoo.images("normal", normal)]
    start, groups = zoo.start(c.encoder)
    net = Segmenter(c, zoo.weights_file(c.encoder))
    if start.startswith("findings"):
        stored = torch.load(os.path.join(zoo.folder(f"pretrain-{c.encoder}"), "last.pt"), weights_only=False)["net"]
        net.encoder.load_state_dict({k.removeprefix("encoder."): v for k, v in stored.items() if k.startswith("encoder.")})
    net = net.to(memory_format=torch.channels_last)
    optimizer = torch.optim.Adam([dict(params=[p for p in net.encoder.parameters() if p.requires_grad], lr=RATE),
                                  dict(params=net.decoder.parameters(), lr=DECODER_RATE)])

    def loss():
        x, y = images.draw([(pool, BATCH // 2) for pool in pools], SIDE, rng)
        with loop.autocast():
            logit = net(x.contiguous(memory_format=torch.channels_last))
        return hybrid(logit.float(), y)

    record = dict(network=c.name, start=start, seed=zoo.seed, outlined=len(outlined), normal=len(normal))
    steps, spent, last_loss = loop.run(folder, minutes, net, optimizer, rng, pools, loss, record)
    used = {r.id: r for r in [*outlined, *normal]}
    training = dict(note=f"{c.name} of the model zoo, encoder start: {start}; {steps} steps on {len(used)} chest radiographs; for comparison, "
                         "not for use.", license=LICENSE, folds=sorted({r.fold for r in used.values()}), folds_excluded=[HELD_OUT],
                    groups=sorted({r.group for r in used.values()} | set(groups)), data_sha256=catalog.fingerprint(zoo.data, used.values()),
                    torch=torch.__version__, seed=zoo.seed, steps=steps)
    net = net.to(memory_format=torch.contiguous_format)
    model, macs = onnx_file.build(net, SIDE, f"zoo-{c.name}", training=training)
    worst, _ = onnx_file.difference(model, net, images.prepared(zoo.data, zoo.seen[0], SIDE))
    if worst > 1e-3:
        raise SystemExit(f"{c.name}: onnxruntime differs from PyTorch by {worst:.1e}")
    onnx.save(model, os.path.join(folder, f"{minutes:g}.onnx"))
    save(folder, minutes, dict(record, decoder=c.decoder, encoder=c.encoder, frozen=c.frozen, steps=steps, minutes=spent, threads=torch.get_num_threads(),
                      loss=last_loss, macs=macs, onnxruntime_difference=worst, **evaluate(zoo, model)))


def evaluate(zoo, model):
    """The paper's metrics on the held-out fold: pixels of outlined and normal images, and COVID-19 against normal, where an
    image is positive when any pixel is. Intervals of what sums them up, and the AUC of the map's mean."""
    session = onnx_file.session(model)
    pixels, whole, shape = [], [], []     # (row, ...) each
    for r in zoo.rows:
        disease = r.finding in ("covid", "normal")
        if r.fold != HELD_OUT or not (r.outlined or disease):
            continue
        logit = session.run(None, {"radiograph": images.prepared(zoo.data, r, SIDE).numpy()})[0][0, 0]
        found = logit > 0
        if r.outlined or r.finding == "normal":
            true = catalog.mask(zoo.data, r, "infection", SIDE) > 0 if r.outlined else np.zeros_like(found)
            pixels.append((r, *metrics.counts(found, true)))
        if disease:
            whole.append((r, float((1 / (1 + np.exp(-logit))).mean()), *metrics.counts(np.array([found.any()]), np.array([r.finding == "covid"]))))
            shape.append(abs(math.log(float(r.text["width"]) / float(r.text["height"]))))
    outlined = [p for p in pixels if p[0].outlined]
    groups = [r.group for r, *_ in whole]
    covid = [r.finding == "covid" for r, *_ in whole]
    auc = lambda score: bootstrap.figure(groups, bootstrap.auc(score, covid))
    return dict(n=dict(outlined=len(outlined), normal=len(covid) - sum(covid), covid=sum(covid)), pixel=six(pixels), pixel_outlined=six(outlined),
                image=six([(r, *counts) for r, _, *counts in whole]), auc=auc([mean for _, mean, *_ in whole]), auc_of_aspect_ratio_alone=auc(shape))


def six(counted):
    """The six metrics of (row, tp, fp, fn, tn), and F1 with its interval."""
    tp, fp, fn, tn = np.array([c for _, *c in counted]).T
    f1 = bootstrap.figure([r.group for r, *_ in counted], bootstrap.ratio(2 * tp, 2 * tp + fp + fn))
    return dict(metrics.six(tp.sum(), fp.sum(), fn.sum(), tn.sum()), f1_interval=[f1["low"], f1["high"]])


def results(folder):
    """What was recorded there, the shortest training first."""
    found = []
    for path in glob.glob(os.path.join(glob.escape(folder), "*.json")):
        with open(path) as f:
            found.append(dict(json.load(f), path=path))
    return sorted(found, key=lambda r: r["minutes"])


def finished(folder, minutes):
    return any(r["minutes"] >= minutes for r in results(folder))


def save(folder, minutes, result):
    write_json(os.path.join(folder, f"{minutes:g}.json"), result)
