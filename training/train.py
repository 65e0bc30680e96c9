"""Train one network: `python -m training.train --name fold0 --exclude-folds 0 --start lungs.pt --steps 800`.

Two phases, one command each: `--phase lungs` learns the lungs alone, `--phase joint` lungs and opacity together.
Resumable: the same command goes on from the last checkpoint under --runs/NAME.
"""
import argparse
import json
import math
import os
import platform
import time

import numpy as np
import torch

from . import augment, catalog, losses
from .network import FIELD_LEFT, FIELD_RIGHT, INFECTION, LUNG_LEFT, LUNG_RIGHT, UNetLite0

CACHED = 288    # images wait in memory a little larger than the network's input


def calibration_groups(rows):
    """Groups no network trains on, so that severity and detection are fitted on unseen images: the Brixia-scored
    patients without outlines, and every fourth group of normals."""
    outlined = {r.group for r in rows if r.outlined}
    held = {r.group for r in rows if r.brixia and r.group not in outlined}
    normals = sorted({r.group for r in rows if r.finding == "normal"} - outlined)
    return held | set(normals[::4])


class Pool:
    """Rows of one kind, decoded once, drawn in shuffled order for ever."""

    def __init__(self, data, rows, rng):
        self.rows, self.rng, self.queue = rows, rng, []
        self.x = torch.empty(len(rows), 1, CACHED, CACHED, dtype=torch.uint8)
        self.y = torch.zeros(len(rows), 5, CACHED, CACHED, dtype=torch.bool)
        self.known = torch.zeros(len(rows), 5)
        self.union = torch.zeros(len(rows))     # lungs known, their sides not
        for i, r in enumerate(rows):
            self.x[i, 0] = torch.from_numpy(catalog.image(data, r, CACHED).copy())
            if r.outlined:
                self.y[i, INFECTION] = torch.from_numpy(catalog.mask(data, r, "infection", CACHED) > 0)
                self.known[i, INFECTION] = 1
            elif r.finding == "normal":
                self.known[i, INFECTION] = 1
            if r.lung_mask:
                right, left, sided = catalog.sides(catalog.mask(data, r, "lung", CACHED))
                pair = (LUNG_RIGHT, LUNG_LEFT) if r.lung_mask.startswith(catalog.LUNGS) else (FIELD_RIGHT, FIELD_LEFT)
                self.y[i, pair[0]], self.y[i, pair[1]] = torch.from_numpy(right), torch.from_numpy(left)
                if sided:
                    self.known[i, list(pair)] = 1
                elif pair[0] == LUNG_RIGHT:
                    self.union[i] = 1

    def draw(self, n):
        picked = []
        while len(picked) < n:
            if not self.queue:
                self.queue = torch.randperm(len(self.rows), generator=self.rng).tolist()
            picked.append(self.queue.pop())
        return self.x[picked].float() / 255, self.y[picked].float(), self.known[picked], self.union[picked]


def draw(parts):
    return [torch.cat(z) for z in zip(*(pool.draw(n) for pool, n in parts))]


def main():
    ap = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    ap.add_argument("--data", default="../shared/data")
    ap.add_argument("--runs", default="training/runs")
    ap.add_argument("--name", required=True)
    ap.add_argument("--phase", choices=["lungs", "joint"], default="joint")
    ap.add_argument("--exclude-folds", type=int, nargs="*", default=[])
    ap.add_argument("--start", help="checkpoint to start from (default: ImageNet encoder)")
    ap.add_argument("--steps", type=int, default=800)
    ap.add_argument("--rate", type=float, default=1.2e-3)
    ap.add_argument("--normal-weight", type=float, default=0.5)
    ap.add_argument("--size", type=int, default=256)
    ap.add_argument("--seed", type=int, default=0)
    a = ap.parse_args()
    torch.manual_seed(a.seed)
    rng = torch.Generator().manual_seed(a.seed)
    rows = catalog.load(a.data)
    held = calibration_groups(rows)
    seen = [r for r in rows if r.fold not in a.exclude_folds and r.group not in held and not r.no_derivatives]
    lungs = [r for r in seen if r.lung_mask.startswith(catalog.LUNGS)]
    fields = [r for r in seen if r.lung_mask == catalog.FIELDS]
    outlined = [r for r in seen if r.outlined]
    normals = [r for r in seen if r.finding == "normal" and not r.outlined]
    if a.phase == "lungs":
        parts = [(Pool(a.data, lungs, rng), 10), (Pool(a.data, fields, rng), 6)]
    else:
        parts = [(Pool(a.data, outlined, rng), 8), (Pool(a.data, lungs, rng), 4), (Pool(a.data, normals, rng), 4)]
    used = {r.id: r for pool, _ in parts for r in pool.rows}

    net = UNetLite0().to(memory_format=torch.channels_last)
    if a.start:
        net.load_state_dict(torch.load(a.start)["average"])
    else:
        net.load_imagenet()
    optimizer = torch.optim.AdamW(net.parameters(), lr=a.rate, weight_decay=1e-2)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, a.rate, total_steps=a.steps, pct_start=0.15)
    average = {k: v.detach().clone() for k, v in net.state_dict().items()}
    folder = os.path.join(a.runs, a.name)
    os.makedirs(folder, exist_ok=True)
    path, step = os.path.join(folder, "last.pt"), 0
    if os.path.exists(path):
        c = torch.load(path, weights_only=False)
        net.load_state_dict(c["net"]), optimizer.load_state_dict(c["optimizer"]), schedule.load_state_dict(c["schedule"])
        average, step = c["average"], c["step"]
        rng.set_state(c["rng"]), torch.set_rng_state(c["torch_rng"])
        for (pool, _), queue in zip(parts, c.get("queues", [])):
            pool.queue = queue
    else:
        record = dict(phase=a.phase, folds_excluded=a.exclude_folds, seed=a.seed, steps=a.steps, start=a.start, rate=a.rate,
                      normal_weight=a.normal_weight, size=a.size, torch=torch.__version__, python=platform.python_version(),
                      data_sha256=catalog.fingerprint(a.data, used.values()), images=len(used), ids=sorted(used),
                      groups=sorted({r.group for r in used.values()}), folds=sorted({r.fold for r in used.values()}),
                      outlined=len(outlined), lungs=len(lungs), fields=len(fields), normals=len(normals))
        if a.start:     # what a network saw includes what its start saw
            before = torch.load(a.start, weights_only=False)["record"]
            for k in ("ids", "groups", "folds"):
                record[k] = sorted(set(record[k]) | set(before[k]))
        with open(os.path.join(folder, "record.json"), "w") as f:
            json.dump(record, f, indent=1)
    record = json.load(open(os.path.join(folder, "record.json")))
    log = open(os.path.join(folder, "log.txt"), "a")
    began, shown, smooth = time.time(), step, None
    net.train()
    while step < a.steps:
        x, y, known, sideless = draw(parts)
        x, y, known = augment.augment(x, y, known, a.size, rng)
        weight = known.clone()
        empty = (y[:, INFECTION].amax((1, 2)) == 0) & (known[:, INFECTION] > 0)
        weight[empty, INFECTION] = a.normal_weight
        with torch.autocast("cpu", torch.bfloat16):
            logit = net(x.contiguous(memory_format=torch.channels_last))
        logit = logit.float()
        channels = [LUNG_RIGHT, LUNG_LEFT, FIELD_RIGHT, FIELD_LEFT]
        loss = losses.hybrid(logit, y, weight, channels) / 2
        if sideless.any():
            pair = [LUNG_RIGHT, LUNG_LEFT]
            l, t = losses.union(logit[:, pair], y[:, pair])
            loss = loss + losses.hybrid(l, t, sideless[:, None], [0]) * 0.5
        if a.phase == "joint":
            loss = loss + losses.hybrid(logit, y, weight, [INFECTION])
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
            print(f"{a.name} step {step}/{a.steps} loss {smooth:.4f} {(time.time() - began) / (step - shown):.2f} s/step", file=log, flush=True)
        if step % 40 == 0 or step == a.steps:
            torch.save(dict(net=net.state_dict(), average=average, optimizer=optimizer.state_dict(), schedule=schedule.state_dict(), step=step,
                            rng=rng.get_state(), torch_rng=torch.get_rng_state(), queues=[pool.queue for pool, _ in parts], record=record), path + ".part")
            os.replace(path + ".part", path)


if __name__ == "__main__":
    np.seterr(all="raise")
    main()
