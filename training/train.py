"""Train one network: `python -m training.train --name fold1 --phase coarse --exclude-folds 1`, then `--phase fine` and `--phase self`.

`coarse` starts from ImageNet at 192 px, `fine` goes on from it at 256 px. Both learn lungs and opacity together from outlines,
Brixia zone scores, lung masks and normals. `self` goes on from `fine` with unlabelled COVID-19 images added, on which the
network learns from its own average (self-training), and with more weight on the zone scores. --start lets a phase go on from
another checkpoint, or from a model file.
Resumable: the same command goes on from the last checkpoint under --runs/NAME-PHASE.
"""
import argparse
import json
import math
import os
import platform
import time
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F

from . import augment, catalog, loop, losses
from .network import FIELD_LEFT, FIELD_RIGHT, INFECTION, LUNG_LEFT, LUNG_RIGHT, UNetLite0
from .restore import restore

# What the phases differ in. `batch`: images outlined, scored, with lungs, normal, unlabelled.
PHASES = {"coarse": dict(before=None, steps=440, rate=1.2e-3, size=192, zone_weight=0.5, batch=(7, 2, 4, 3, 0)),
          "fine": dict(before="coarse", steps=360, rate=8e-4, size=256, zone_weight=0.5, batch=(7, 2, 4, 3, 0)),
          "self": dict(before="fine", steps=400, rate=6e-4, size=256, zone_weight=1.0, batch=(5, 3, 3, 2, 3))}
CACHED = 288    # images wait in memory a little larger than the network's input
UNKNOWN = 9     # in a zone map: behind the heart, where a mask leaves it out


@dataclass
class Batch:
    x: torch.Tensor         # (N,1,H,W) grey
    y: torch.Tensor         # (N,5,H,W) targets
    zones: torch.Tensor     # (N,1,H,W) 0..6, UNKNOWN where the lung masks say nothing
    known: torch.Tensor     # (N,5) which targets are labels
    sideless: torch.Tensor  # (N,) lungs known, their sides not
    scores: torch.Tensor    # (N,6) Brixia per zone, NaN where unknown


class Pool:
    """Rows of one kind, decoded once, drawn in shuffled order for ever."""

    def __init__(self, data, rows, rng):
        self.rows, self.rng, self.queue = rows, rng, []
        n = len(rows)
        self.x = torch.empty(n, 1, CACHED, CACHED, dtype=torch.uint8)
        self.y = torch.zeros(n, 5, CACHED, CACHED, dtype=torch.bool)
        self.zones = torch.zeros(n, 1, CACHED, CACHED, dtype=torch.uint8)
        self.known, self.sideless, self.scores = torch.zeros(n, 5), torch.zeros(n), torch.full((n, 6), float("nan"))
        for i, r in enumerate(rows):
            self.x[i, 0] = torch.from_numpy(catalog.image(data, r, CACHED).copy())
            if r.outlined:
                self.y[i, INFECTION] = torch.from_numpy(catalog.mask(data, r, "infection", CACHED) > 0)
            if r.outlined or r.finding == "normal":
                self.known[i, INFECTION] = 1
            if r.lung_mask:
                self.lungs(data, i, r)

    def lungs(self, data, i, r):
        right, left, sided = catalog.sides(catalog.mask(data, r, "lung", CACHED))
        pair = [LUNG_RIGHT, LUNG_LEFT] if r.lung_mask.startswith(catalog.LUNGS) else [FIELD_RIGHT, FIELD_LEFT]
        self.y[i, pair[0]], self.y[i, pair[1]] = torch.from_numpy(right), torch.from_numpy(left)
        if sided:
            self.known[i, pair] = 1
            if pair[0] == FIELD_RIGHT:      # but for the heart, they are the lungs of the product's convention
                self.y[i, LUNG_RIGHT], self.y[i, LUNG_LEFT] = self.y[i, FIELD_RIGHT], self.y[i, FIELD_LEFT]
                self.known[i, [LUNG_RIGHT, LUNG_LEFT]] = 1
                self.zones[i, 0] = torch.from_numpy(catalog.between(right, left) * np.uint8(UNKNOWN))
            if r.brixia:
                self.zones[i, 0] = torch.from_numpy(catalog.zone_map(right, left))
                self.scores[i] = torch.tensor(r.readers)
        elif pair[0] == LUNG_RIGHT:
            self.sideless[i] = 1

    def draw(self, n):
        picked = []
        while len(picked) < n:
            if not self.queue:
                self.queue = torch.randperm(len(self.rows), generator=self.rng).tolist()
            picked.append(self.queue.pop())
        return (self.x[picked].float() / 255, self.y[picked].float(), self.zones[picked].float(), self.known[picked],
                self.sideless[picked], self.scores[picked])


def draw(parts):
    return Batch(*(torch.cat(z) for z in zip(*(pool.draw(n) for pool, n in parts))))


def pools(a, rows, rng):
    """(kind, pool, images of it in a batch of 16)."""
    held = set() if a.no_held else catalog.calibration_groups(rows)
    seen = [r for r in rows if r.fold not in a.exclude_folds and r.group not in held and not r.no_derivatives]
    lungs = [r for r in seen if r.lung_mask.startswith(catalog.LUNGS)]
    kinds = {"outlined": [r for r in seen if r.outlined], "scored": [r for r in lungs if r.brixia and not r.outlined], "lungs": lungs,
             "normal": [r for r in seen if r.finding == "normal" and not r.outlined], "unlabelled": [r for r in seen if r.unlabelled]}
    return [(kind, Pool(a.data, of, rng), n) for (kind, of), n in zip(kinds.items(), PHASES[a.phase]["batch"]) if n]


def propose(teacher, average, plain, batch, unlabelled):
    """Targets of the unlabelled images: the averaged network's probabilities on the images before their grey was changed."""
    teacher.load_state_dict(average)
    with torch.no_grad(), loop.autocast():
        p = teacher(plain[unlabelled].contiguous(memory_format=torch.channels_last)).float().sigmoid()
    batch.y[unlabelled, INFECTION] = p[:, INFECTION]
    batch.known[unlabelled, INFECTION] = 1


def loss_of(a, net, scorer, batch, unlabelled):
    target = batch.y.clone()
    # Outlines are coarse: their borders teach less sharply than their middle.
    target[:, INFECTION] = F.avg_pool2d(target[:, INFECTION:INFECTION + 1], 7, 1, 3, count_include_pad=False)[:, 0]
    weight = batch.known.clone()
    empty = (target[:, INFECTION].amax((1, 2)) == 0) & (batch.known[:, INFECTION] > 0)
    weight[empty, INFECTION] = a.normal_weight
    weight[unlabelled, INFECTION] *= a.unlabelled_weight
    with loop.autocast():
        logit = net(batch.x.contiguous(memory_format=torch.channels_last))
    logit = logit.float()
    lungs = [LUNG_RIGHT, LUNG_LEFT]
    visible = (batch.zones < UNKNOWN).float()
    loss = (losses.hybrid(logit, target, weight, lungs, visible) + losses.hybrid(logit, target, weight, [FIELD_RIGHT, FIELD_LEFT])) / 2
    if batch.sideless.any():
        l, t = losses.union(logit[:, lungs], target[:, lungs])
        loss = loss + losses.hybrid(l, t, batch.sideless[:, None], [0]) * 0.5
    loss = loss + losses.hybrid(logit, target, weight, [INFECTION])
    return loss + a.zone_weight * scorer(logit, batch.zones, batch.scores)


def remember(a, folder, parts, before):
    """record.json: what this network will have seen, for its metadata."""
    used = {r.id: r for _, pool, _ in parts for r in pool.rows}
    record = dict(phase=a.phase, folds_excluded=a.exclude_folds, seed=a.seed, steps=a.steps, rate=a.rate,
                  normal_weight=a.normal_weight, zone_weight=a.zone_weight, hidden=a.hidden, size=a.size, unlabelled_weight=a.unlabelled_weight,
                  torch=torch.__version__, python=platform.python_version(),
                  data_sha256=catalog.fingerprint(a.data, used.values()), images=len(used), ids=sorted(used),
                  groups=sorted({r.group for r in used.values()}), folds=sorted({r.fold for r in used.values()}),
                  counts={kind: len(pool.rows) for kind, pool, _ in parts})
    if before:      # what a network saw includes what its start saw
        if set(a.exclude_folds) & set(before["folds"]):
            raise SystemExit("the start has seen a fold that is excluded")
        record["before"] = {k: v for k, v in before.items() if k not in ("ids", "groups", "folds")}
        for k in ("ids", "groups", "folds"):
            record[k] = sorted(set(record[k]) | set(before[k]))
    with open(os.path.join(folder, "record.json"), "w") as f:
        json.dump(record, f, indent=1)
    return record


def main():
    ap = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    ap.add_argument("--data", default="../shared/data")
    ap.add_argument("--runs", default="training/runs")
    ap.add_argument("--name", required=True)
    ap.add_argument("--phase", choices=PHASES, required=True)
    ap.add_argument("--exclude-folds", type=int, nargs="*", default=[])
    ap.add_argument("--start", help="checkpoint or model file (.onnx) to start from (default: the phase before under --runs; ImageNet for coarse)")
    ap.add_argument("--no-held", action="store_true", help="train on the calibration groups too: only for a network that is calibrated on other networks' maps")
    for name, kind in (("steps", int), ("rate", float), ("size", int), ("zone-weight", float)):
        key = name.replace("-", "_")
        ap.add_argument(f"--{name}", type=kind, help="default: " + ", ".join(f"{p[key]} {phase}" for phase, p in PHASES.items()))
    ap.add_argument("--normal-weight", type=float, default=0.5)
    ap.add_argument("--hidden", type=float, default=0.12, help="share of images whose lungs, or all but them, are hidden")
    ap.add_argument("--unlabelled-weight", type=float, default=0.5)
    ap.add_argument("--seed", type=int, default=0)
    a = ap.parse_args()
    phase = PHASES[a.phase]
    for k in ("steps", "rate", "size", "zone_weight"):
        if getattr(a, k) is None:
            setattr(a, k, phase[k])
    if phase["before"] and not a.start:
        a.start = os.path.join(a.runs, f"{a.name}-{phase['before']}", "last.pt")
    torch.manual_seed(a.seed)
    rng = torch.Generator().manual_seed(a.seed)
    rows, before = catalog.load(a.data), None
    parts = pools(a, rows, rng)
    kinds = [kind for kind, _, n in parts for _ in range(n)]
    unlabelled = torch.tensor([i for i, kind in enumerate(kinds) if kind == "unlabelled"], dtype=torch.long)

    net, scorer = UNetLite0().to(memory_format=torch.channels_last), losses.ZoneScore()
    teacher = UNetLite0().to(memory_format=torch.channels_last).eval()
    if not a.start:
        net.load_imagenet()
    elif a.start.endswith(".onnx"):
        looks = augment.augment(draw([(pool, 4 * n) for _, pool, n in parts]), a.size, rng, 0)[0].x
        before = restore(net, a.start, looks)
        before["ids"] = [r.id for r in rows if r.group in before["groups"]]     # or fewer: the file counts them only
    else:
        start = torch.load(a.start, weights_only=False)
        net.load_state_dict(start["average"])
        scorer.load_state_dict(start["scorer"])
        before = start["record"]
    optimizer = torch.optim.AdamW([*net.parameters(), *scorer.parameters()], lr=a.rate, weight_decay=1e-2)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, a.rate, total_steps=a.steps, pct_start=0.15)
    average = {k: v.detach().clone() for k, v in net.state_dict().items()}
    folder = os.path.join(a.runs, f"{a.name}-{a.phase}")
    os.makedirs(folder, exist_ok=True)
    path, step = os.path.join(folder, "last.pt"), 0
    if os.path.exists(path):
        c = torch.load(path, weights_only=False)
        for state, k in ((net, "net"), (scorer, "scorer"), (optimizer, "optimizer"), (schedule, "schedule")):
            state.load_state_dict(c[k])
        average, step, record = c["average"], c["step"], c["record"]
        rng.set_state(c["rng"]), torch.set_rng_state(c["torch_rng"])
        for (_, pool, _), queue in zip(parts, c["queues"]):
            pool.queue = queue
    else:
        record = remember(a, folder, parts, before)
    log = open(os.path.join(folder, "log.txt"), "a")
    began, shown, smooth = time.time(), step, None
    net.train()
    while step < a.steps:
        batch, plain = augment.augment(draw([(pool, n) for _, pool, n in parts]), a.size, rng, a.hidden)
        if len(unlabelled):
            propose(teacher, average, plain, batch, unlabelled)
        loss = loss_of(a, net, scorer, batch, unlabelled)
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(net.parameters(), 5.0)
        optimizer.step(), schedule.step()
        step += 1
        decay = min(0.995, step / (step + 10))
        for k, v in net.state_dict().items():
            average[k].lerp_(v.detach(), 1 - decay) if v.dtype.is_floating_point else average[k].copy_(v)
        smooth = loss.item() if smooth is None else 0.95 * smooth + 0.05 * loss.item()
        if math.isnan(smooth):
            raise SystemExit(f"loss is not a number at step {step}")
        if step % 20 == 0 or step == a.steps:
            print(f"{a.name}-{a.phase} step {step}/{a.steps} loss {smooth:.4f} {(time.time() - began) / (step - shown):.2f} s/step", file=log, flush=True)
        if step % 40 == 0 or step == a.steps:
            torch.save(dict(net=net.state_dict(), scorer=scorer.state_dict(), average=average, optimizer=optimizer.state_dict(), schedule=schedule.state_dict(),
                            step=step, rng=rng.get_state(), torch_rng=torch.get_rng_state(), queues=[pool.queue for _, pool, _ in parts], record=record), path + ".part")
            os.replace(path + ".part", path)


if __name__ == "__main__":
    np.seterr(all="raise")
    main()
