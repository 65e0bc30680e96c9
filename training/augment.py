"""Random geometry, hidden parts and grey values for a batch: (N,1,H,W) image in 0..1, (N,C,H,W) masks, zones 0..6."""
import math

import torch
import torch.nn.functional as F

from .network import FIELD_LEFT, FIELD_RIGHT, INFECTION, LUNG_LEFT, LUNG_RIGHT

MIRRORED = [INFECTION, LUNG_LEFT, LUNG_RIGHT, FIELD_LEFT, FIELD_RIGHT]   # a flip swaps the patient's sides


def standardise(x):
    """Zero mean and unit variance per image: the same rule as `preprocess.rs`."""
    mean = x.mean((1, 2, 3), keepdim=True)
    return (x - mean) / x.std((1, 2, 3), keepdim=True, unbiased=False).clamp_min(1e-6)


def uniform(rng, n, low, high):
    return torch.rand(n, generator=rng) * (high - low) + low


def geometry(x, y, zones, size, rng):
    """Rotation, scale, aspect (so that no source keeps its shape), shift and flip, resampled to `size`.

    Zones keep their numbers under a flip: a zone's score belongs to its pixels, whichever side they lie on.
    """
    n = len(x)
    angle = uniform(rng, n, -12, 12) * math.pi / 180
    scale = uniform(rng, n, 0.85, 1.2)
    aspect = torch.exp(uniform(rng, n, -0.2, 0.2))
    flip = (torch.rand(n, generator=rng) < 0.5)
    sx, sy = 1 / (scale * aspect.sqrt()), aspect.sqrt() / scale
    m = torch.zeros(n, 2, 3)
    m[:, 0, 0], m[:, 0, 1] = angle.cos() * sx, -angle.sin() * sy
    m[:, 1, 0], m[:, 1, 1] = angle.sin() * sx, angle.cos() * sy
    m[:, 0, 2], m[:, 1, 2] = uniform(rng, n, -0.16, 0.16), uniform(rng, n, -0.16, 0.16)
    m[flip, 0, 0] *= -1
    m[flip, 1, 0] *= -1
    grid = F.affine_grid(m, (n, 1, size, size), align_corners=False)
    x = F.grid_sample(x, grid, padding_mode="border", align_corners=False)
    y = F.grid_sample(y, grid, mode="bilinear", padding_mode="zeros", align_corners=False)
    zones = F.grid_sample(zones, grid, mode="nearest", padding_mode="zeros", align_corners=False)
    y[flip] = y[flip][:, MIRRORED]
    return x, y, zones, flip


def blur(x, sigma):
    r = 3
    t = torch.arange(-r, r + 1, dtype=x.dtype)
    k = torch.exp(-t * t / (2 * sigma * sigma))
    k = k / k.sum()
    x = F.conv2d(F.pad(x, (r, r, 0, 0), mode="reflect"), k.view(1, 1, 1, -1))
    return F.conv2d(F.pad(x, (0, 0, r, r), mode="reflect"), k.view(1, 1, -1, 1))


def grey(x, rng):
    """Window, gamma, blur, noise, laterality-letter-like patches, and a few inverted images."""
    n = len(x)
    low, high = uniform(rng, n, -0.05, 0.15), uniform(rng, n, 0.85, 1.1)
    x = ((x - low.view(-1, 1, 1, 1)) / (high - low).view(-1, 1, 1, 1)).clamp(0, 1)
    x = x.clamp_min(1e-4) ** torch.exp(torch.randn(n, generator=rng) * 0.3).view(-1, 1, 1, 1)
    for i in range(n):
        pick = torch.rand(5, generator=rng)
        if pick[0] < 0.25:
            x[i:i + 1] = blur(x[i:i + 1], 0.5 + 1.2 * float(pick[1]))
        if pick[2] < 0.3:
            h, w = (4 + (torch.rand(2, generator=rng) * 24)).int().tolist()
            top = int(torch.rand(1, generator=rng) * (x.shape[2] - h))
            side = int(torch.rand(1, generator=rng) * x.shape[3] * 0.15)
            left = side if pick[3] < 0.5 else x.shape[3] - side - w
            x[i, :, top:top + h, max(left, 0):max(left, 0) + w] = float(torch.rand(1, generator=rng).round())
        if pick[4] < 0.05:
            x[i] = 1 - x[i]
    noise = uniform(rng, n, 0, 0.03).view(-1, 1, 1, 1) * (torch.rand(n, 1, 1, 1, generator=rng) < 0.4)
    return x + noise * torch.randn(x.shape, generator=rng)


def hide(x, batch, rng, chance):
    """Hide the lungs, or all but the lungs, behind the median grey, as the occlusion test does.

    Where the lungs are hidden nothing can be marked; where the rest is hidden everything still can.
    """
    n, side = len(x), x.shape[-1]
    lung = batch.y[:, [LUNG_RIGHT, LUNG_LEFT, FIELD_RIGHT, FIELD_LEFT]].amax(1, keepdim=True)
    draw = torch.rand(n, 2, generator=rng)
    for i in ((draw[:, 0] < chance) & (lung.amax((1, 2, 3)) > 0.5)).nonzero().flatten().tolist():
        r = int(side * (0.03 + 0.04 * float(torch.rand(1, generator=rng))))
        near = F.max_pool2d(lung[i:i + 1], 2 * r + 1, 1, r)[0] > 0.5
        if draw[i, 1] < 0.5:
            x[i][near] = x[i].median()
            batch.y[i], batch.known[i], batch.sideless[i], batch.scores[i] = 0, 0, 0, float("nan")
            batch.known[i, INFECTION] = 1
        else:
            x[i][~near] = x[i].median()
    return x


def augment(batch, size, rng, hidden):
    """Augmented batch, and its images before the grey values were changed (standardised): what a teacher may look at."""
    x, batch.y, batch.zones, flip = geometry(batch.x, batch.y, batch.zones, size, rng)
    batch.known[flip] = batch.known[flip][:, MIRRORED]
    plain = standardise(x)
    batch.x = standardise(grey(hide(x.clone(), batch, rng, hidden), rng))
    return batch, plain
