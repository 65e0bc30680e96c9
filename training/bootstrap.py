"""Figures with 95 % intervals: whole groups (patients) are drawn again, 2,000 times, as in score.py.

A statistic maps weights (draws, images), how often each image was drawn, to one value a draw.
"""
import numpy as np

DRAWS = 2000


def weights(groups, draws=DRAWS):
    """Row 0 is the sample itself, the others are draws of as many groups with replacement."""
    _, index = np.unique(groups, return_inverse=True)
    n = index.max() + 1
    drawn = np.random.default_rng(0).multinomial(n, np.full(n, 1 / n), draws)
    return np.concatenate([np.ones((1, n)), drawn])[:, index]


def figure(groups, statistic):
    """dict(value, low, high, n); None where it is undefined."""
    if not len(groups):
        return dict(value=None, low=None, high=None, n=0)
    with np.errstate(all="ignore"):
        v = statistic(weights(groups))
    clean = lambda x: float(x) if np.isfinite(x) else None
    spread = v[1:][np.isfinite(v[1:])]
    low, high = np.percentile(spread, [2.5, 97.5]) if len(spread) else (np.nan, np.nan)
    return dict(value=clean(v[0]), low=clean(low), high=clean(high), n=len(groups))


def mean(x):
    return lambda w: w @ np.asarray(x, float) / w.sum(1)


def ratio(above, below):
    return lambda w: (w @ np.asarray(above, float)) / (w @ np.asarray(below, float))


def auc(score, positive):
    """Area under the ROC curve, ties count half."""
    _, level = np.unique(score, return_inverse=True)
    order = np.argsort(level, kind="stable")
    starts = np.flatnonzero(np.diff(level[order], prepend=-1))
    positive = np.asarray(positive, bool)[order]

    def statistic(w):
        w = w[:, order]
        p, n = (np.add.reduceat(w * side, starts, axis=1) for side in (positive, ~positive))
        below = np.cumsum(n, 1) - n / 2
        return (p * below).sum(1) / (p.sum(1) * n.sum(1))
    return statistic


def correlation(x, y):
    x, y = np.asarray(x, float), np.asarray(y, float)

    def statistic(w):
        w = w / w.sum(1, keepdims=True)
        a, b = x - (w @ x)[:, None], y - (w @ y)[:, None]
        return (w * a * b).sum(1) / np.sqrt((w * a * a).sum(1) * (w * b * b).sum(1))
    return statistic


def kappa(a, b, levels):
    """Cohen's kappa of two gradings with quadratic weights."""
    a, b = np.asarray(a), np.asarray(b)
    hot = lambda x: (x[:, None] == np.arange(levels)).astype(float)

    def statistic(w):
        w = w / w.sum(1, keepdims=True)
        cost = np.subtract.outer(np.arange(levels), np.arange(levels)) ** 2.0
        expected = np.einsum("di,ij,dj->d", w @ hot(a), cost, w @ hot(b))
        return 1 - w @ ((a - b) ** 2.0) / expected
    return statistic


def difference(one, other):
    return lambda w: one(w) - other(w)
