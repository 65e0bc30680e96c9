"""The paper's hybrid loss, focal + Dice, per output channel and over the labels that are known."""
import torch
import torch.nn.functional as F
from torch import nn


def focal(logit, target, visible, gamma=1.0):
    """Mean focal loss per (image, channel) over the visible pixels."""
    bce = F.binary_cross_entropy_with_logits(logit, target, reduction="none")
    p_true = torch.exp(-bce)
    return ((1 - p_true) ** gamma * bce * visible).mean((2, 3))


def dice(logit, target, known):
    """Soft Dice loss per channel over the pixels that are known (a batch Dice: empty maps do not blow up)."""
    p = logit.sigmoid() * known
    t = target * known
    overlap = (p * t).sum((0, 2, 3))
    return 1 - (2 * overlap + 1) / (p.sum((0, 2, 3)) + t.sum((0, 2, 3)) + 1)


def hybrid(logit, target, weight, channels, visible=1.0):
    """2 x focal + Dice, averaged over `channels`; `weight` (N,C) is 0 where the label is unknown, `visible` (N,1,H,W) 0 where
    a pixel's is."""
    total = logit.new_zeros(())
    each = focal(logit, target, visible)
    known = (weight > 0).float()[..., None, None] * visible
    overlap = dice(logit, target, known)
    for c in channels:
        w = weight[:, c]
        if w.sum() > 0:
            total = total + 2 * (each[:, c] * w).sum() / w.sum().clamp_min(1) + overlap[c]
    return total


def union(logit, target):
    """Union of two side channels as one logit and target, for masks whose sides are unknown."""
    return torch.logsumexp(logit, 1, keepdim=True), target.amax(1, keepdim=True)


class ZoneScore(nn.Module):
    """A zone's Brixia score (0..3) from its mean opacity: one learned, rising curve, dropped after training."""

    def __init__(self):
        super().__init__()
        self.rate = nn.Parameter(torch.tensor(2.0))

    def forward(self, logit, zones, scores):
        """Smooth L1 over the zones that a reader scored; `zones` (N,1,H,W) 0..6, `scores` (N,6), NaN where unknown."""
        total, n = logit.new_zeros(()), 0
        for i in (~scores.isnan()).any(1).nonzero().flatten().tolist():
            p = logit[i, 0].sigmoid()
            for z in range(6):
                inside = (zones[i, 0] - (z + 1)).abs() < 0.25
                if inside.sum() > 64:
                    estimate = 3 * (1 - torch.exp(-F.softplus(self.rate) * p[inside].mean()))
                    total, n = total + F.smooth_l1_loss(estimate, scores[i, z]), n + 1
        return total / max(n, 1)
