"""Does `analyze_many` use two threads? 200 phantom images, one thread against two; the medians of alternating rounds.

    python benches/python_batch.py [--images 200] [--rounds 3] [--size 512]

Wants two processors that nobody else uses; prints how many the process may use.
"""

import argparse
import os
import statistics
import subprocess
import tempfile
import time
from pathlib import Path

import covmap

parser = argparse.ArgumentParser(description=__doc__)
parser.add_argument("--images", type=int, default=200)
parser.add_argument("--rounds", type=int, default=3)
parser.add_argument("--size", type=int, default=512)
arguments = parser.parse_args()

with tempfile.TemporaryDirectory() as folder:
    distinct = []
    for seed in range(min(8, arguments.images)):
        distinct.append(Path(folder) / f"{seed}.png")
        subprocess.run(["covmap", "phantom", "--out", distinct[-1], "--size", str(arguments.size), "--seed", str(seed)], check=True)
    inputs = [distinct[i % len(distinct)] for i in range(arguments.images)]
    pipelines = {n: covmap.Pipeline(threads=n) for n in (1, 2)}
    seconds: dict[int, list[float]] = {n: [] for n in pipelines}
    for pipeline in pipelines.values():
        list(pipeline.analyze_many(inputs[:4]))
    for _ in range(arguments.rounds):
        for n, pipeline in pipelines.items():
            began = time.perf_counter()
            assert sum(isinstance(r, covmap.Analysis) for r in pipeline.analyze_many(inputs)) == arguments.images
            seconds[n].append(time.perf_counter() - began)

one, two = (statistics.median(seconds[n]) for n in (1, 2))
cpus = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
print(f"{arguments.images} images of {arguments.size} px, {cpus} processors: one thread {one:.2f} s, two {two:.2f} s, {one / two:.2f} times as fast")
