"""Curves and confusion, held to scikit-learn; residuals by hand."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn import metrics as sk

from mlops_cli.evaluation.base import Question
from mlops_cli.evaluation.curves import confusion_of, curves_of
from mlops_cli.evaluation.judged import Judged
from mlops_cli.evaluation.residuals import residuals_of


def binary(n=3000, seed=0, digits=None):
    rng = np.random.default_rng(seed)
    y = (rng.random(n) < 0.3).astype(float)
    p = 1 / (1 + np.exp(-(rng.normal(size=n) + 1.5 * y - 1)))
    p = p if digits is None else p.round(digits)
    return Judged(Question("binary", "roc_auc", 2), ("no", "yes"), y, p)


@pytest.mark.parametrize("digits", [None, 1])
def test_curves_are_scikit_learns(digits):
    judged = binary(digits=digits)
    found, grid = curves_of(judged), np.linspace(0, 1, 101)
    fpr, tpr, _ = sk.roc_curve(judged.target, judged.predictions, drop_intermediate=False)
    assert np.allclose(found.roc, np.interp(grid, fpr, tpr), atol=1e-4)
    precision, recall, _ = sk.precision_recall_curve(judged.target, judged.predictions)
    for at, value in zip(grid, found.precision, strict=True):
        assert value == pytest.approx(precision[recall >= at].max(), abs=1e-4)
    assert np.mean(found.lift) == pytest.approx(1.0, abs=1e-4)
    assert (found.gain[0], found.gain[-1]) == (0.0, 1.0)


def test_no_positive_row_has_no_curves():
    judged = binary()
    none = Judged(judged.question, judged.classes, np.zeros(3000), judged.predictions)
    assert curves_of(none) is None
    rates = confusion_of(none).rates["yes"]
    assert (rates.rows, rates.recall) == (0, None)


def test_confusion_follows_the_threshold():
    judged = binary()
    strict = Judged(judged.question, judged.classes, judged.target, judged.predictions, 0.8)
    found = confusion_of(strict)
    labels = judged.predictions >= 0.8
    assert found.rows == sk.confusion_matrix(judged.target, labels).tolist()
    assert found.rates["yes"].recall == sk.recall_score(judged.target, labels)
    low, high = found.rates["yes"].precision_interval
    assert low < sk.precision_score(judged.target, labels) < high


def test_the_most_frequent_of_many_classes_are_shown():
    rng = np.random.default_rng(0)
    names = tuple(f"c{i:02}" for i in range(30))
    y = np.minimum(rng.geometric(0.1, 5000) - 1, 29).astype(float)
    p = rng.dirichlet(np.ones(30), 5000)
    found = confusion_of(Judged(Question("multiclass", "log_loss", 30), names, y, p))
    assert (len(found.classes), found.more) == (20, 10)
    assert found.rates["c00"].rows == (y == 0).sum()


def test_residuals_of_a_regression():
    rng = np.random.default_rng(0)
    p = rng.normal(size=1000)
    y = p + 0.5 + rng.normal(size=1000)
    found = residuals_of(Judged(Question("regression", "rmse", 0), None, y, p))
    assert np.allclose(found.quantiles, np.quantile(y - p, [0.05, 0.25, 0.5, 0.75, 0.95]))
    assert sum(found.bars) == sum(map(sum, found.cells)) == 1000
    assert np.mean([t.low < 0.5 < t.high for t in found.tenths]) > 0.7
    assert found.tenths[0].predicted < found.tenths[-1].predicted
