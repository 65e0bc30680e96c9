"""Training for a number of minutes with checkpoints: what was cut off goes on when the same command is given again."""
import contextlib
import math
import os
import time

import torch

SAVE_EVERY = 60     # seconds


def autocast():
    """Brain floats where the processor computes with them: elsewhere they are emulated, at 40 % of the speed of single precision."""
    native = torch.cpu._is_avx512_bf16_supported() or torch.cpu._is_amx_tile_supported()
    return torch.autocast("cpu", torch.bfloat16) if native else contextlib.nullcontext()


def clock():
    """Seconds of processor time a thread: of waiting, or of what else runs on the machine, nothing counts."""
    return time.process_time() / torch.get_num_threads()


def run(folder, minutes, net, optimizer, rng, pools, loss_of, record):
    """Steps until `minutes` of training are spent in all; returns (steps, minutes, smoothed loss). `record` says what the run is:
    another run's checkpoint is refused."""
    os.makedirs(folder, exist_ok=True)
    path, step, seconds = os.path.join(folder, "last.pt"), 0, 0.0
    smooth = None
    if os.path.exists(path):
        c = torch.load(path, weights_only=False)
        if c["record"] != record:
            raise SystemExit(f"{path} is of another run: {differing(c['record'], record)}")
        net.load_state_dict(c["net"]), optimizer.load_state_dict(c["optimizer"])
        rng.set_state(c["rng"]), torch.set_rng_state(c["torch_rng"])
        step, seconds, smooth = c["step"], c["seconds"], c["loss"]
        for pool, queue in zip(pools, c["queues"]):
            pool.queue = queue
    saved = seconds
    net.train()
    while seconds < 60 * minutes:
        began = clock()
        loss = loss_of()
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        optimizer.step()
        smooth = loss.item() if smooth is None else 0.95 * smooth + 0.05 * loss.item()
        if math.isnan(smooth):
            raise SystemExit(f"{folder}: the loss is not a number at step {step}")
        step, seconds = step + 1, seconds + clock() - began
        if seconds - saved > SAVE_EVERY or seconds >= 60 * minutes:
            torch.save(dict(net=net.state_dict(), optimizer=optimizer.state_dict(), rng=rng.get_state(), torch_rng=torch.get_rng_state(),
                            queues=[p.queue for p in pools], step=step, seconds=seconds, loss=smooth, record=record), path + ".part")
            os.replace(path + ".part", path)
            saved = seconds
            print(f"{folder}: step {step}, {seconds / 60:.1f} of {minutes} minutes, loss {smooth:.4f}", flush=True)
    return step, seconds / 60, smooth


def differing(a, b):
    return ", ".join(k for k in sorted(set(a) | set(b)) if a.get(k) != b.get(k))
