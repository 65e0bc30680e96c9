"""The six metrics against their definitions, on counts worked out by hand."""
import numpy as np
import pytest

from training import bootstrap
from training.metrics import counts, six


def test_six():
    m = six(tp=6, fp=2, fn=4, tn=8)
    assert m == pytest.approx(dict(sensitivity=0.6, specificity=0.8, precision=0.75, f1=2 * 0.75 * 0.6 / 1.35, f2=5 * 0.75 * 0.6 / (4 * 0.75 + 0.6), accuracy=0.7))


def test_what_cannot_be_counted_is_none():
    m = six(tp=0, fp=0, fn=0, tn=5)
    assert m["sensitivity"] is None and m["precision"] is None and m["f1"] is None and m["specificity"] == 1


def test_counts():
    assert counts(np.array([True, True, False, False]), np.array([True, False, True, False])) == (1, 1, 1, 1)


def auc(positive, negative):
    score, covid = [*positive, *negative], [True] * len(positive) + [False] * len(negative)
    return bootstrap.figure(range(len(score)), bootstrap.auc(score, covid))["value"]


def test_auc():
    assert auc([3, 2], [1, 0]) == 1 and auc([1], [1]) == 0.5 and auc([0, 2], [1]) == 0.5
