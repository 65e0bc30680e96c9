"""Streams 1,000 images through `analyze_many` and bounds what the process grew to. Images are made as they are drawn."""

import resource
import sys
from collections.abc import Iterator

import numpy as np

import covmap

COUNT, SIDE, LIMIT_MB = 1000, 512, 300


def images() -> Iterator[np.ndarray]:
    noise = np.random.default_rng(0)
    for _ in range(COUNT):
        yield noise.integers(0, 256, (SIDE, SIDE), np.uint8)


taken = sum(isinstance(result, covmap.Analysis) for result in covmap.Pipeline(threads=2).analyze_many(images()))
peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / 1e6  # KiB on Linux
print(f"{taken} images of {SIDE} px streamed, peak {peak:.0f} MB (limit {LIMIT_MB})")
sys.exit(taken != COUNT or peak > LIMIT_MB)
