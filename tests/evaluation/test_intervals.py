"""Confidence intervals: right at the ends, and of the coverage they promise."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mlops_cli.evaluation.intervals import interval
from mlops_cli.evaluation.metrics import METRICS

EVERY = [(task, name) for task, metrics in METRICS.items() for name in metrics]
# Of 300 simulations a right interval would miss 93 to 97 % one time in nine, by chance alone.
SIMULATIONS = 2000


def draw(task, n, rng):
    if task == "binary":
        y = (rng.random(n) < 0.3).astype(float)
        score = rng.normal(size=n) + 1.2 * y
        return y, 1 / (1 + np.exp(1.5 - 1.2 * score))
    if task == "multiclass":
        y = rng.integers(0, 3, n).astype(float)
        z = rng.normal(size=(n, 3))
        z[np.arange(n), y.astype(int)] += 1.3
        return y, np.exp(z) / np.exp(z).sum(axis=1, keepdims=True)
    x = rng.normal(size=n)
    return 2 * x + rng.normal(size=n), 1.9 * x


@pytest.mark.parametrize(("task", "metric"), EVERY)
def test_the_metric_lies_inside(task, metric):
    y, p = draw(task, 500, np.random.default_rng(0))
    found = interval(task, metric, y, p)
    assert found.low < METRICS[task][metric].value(y, p) < found.high
    assert found.method


@pytest.mark.parametrize(("task", "metric"), EVERY)
def test_four_times_the_rows_halve_the_interval(task, metric):
    few, many = (
        interval(task, metric, *draw(task, n, np.random.default_rng(1))) for n in (1000, 4000)
    )
    assert 0.35 < (many.high - many.low) / (few.high - few.low) < 0.65


@pytest.mark.parametrize(
    ("task", "metric"), [("binary", m) for m in ("roc_auc", "average_precision", "f1", "accuracy")]
)
def test_a_faultless_model_is_not_certain(task, metric):
    y = np.array([0.0, 1.0] * 20)
    found = interval(task, metric, y, np.where(y == 1, 0.9, 0.1))
    assert found.high == 1.0
    assert 0.7 < found.low < 1.0


def test_scores_with_ties_count_half():
    y, p = np.array([0.0, 1.0] * 50), np.full(100, 0.3)
    found = interval("binary", "roc_auc", y, p)
    assert found.low <= 0.5 <= found.high


@pytest.mark.parametrize("positives", [1, 2, 4])
def test_a_few_rows_of_a_class_that_agree_are_not_certain(positives):
    y, p = np.zeros(60), np.linspace(0, 1, 60)
    y[:positives], p[:positives] = 1, 0.8
    found = interval("binary", "roc_auc", y, p)
    assert found.low < 0.5
    assert found.high > 0.9
    several = interval("multiclass", "roc_auc_ovr", y, np.stack([1 - p, p], axis=1))
    assert several.low < 0.5


def test_delong_of_a_known_example():
    # The standard error by pairs, as DeLong et al. (1988) define it, without the fast ranking.
    rng = np.random.default_rng(5)
    y = (rng.random(60) < 0.4).astype(float)
    p = np.round(np.clip(0.5 + 0.2 * (y - 0.5) + rng.normal(0, 0.2, 60), 0.01, 0.99), 1)
    kernel = (p[y == 1][:, None] > p[y == 0]) + 0.5 * (p[y == 1][:, None] == p[y == 0])
    auc = kernel.mean()
    error = np.sqrt(
        kernel.mean(axis=1).var(ddof=1) / kernel.shape[0]
        + kernel.mean(axis=0).var(ddof=1) / kernel.shape[1]
    )
    found = interval("binary", "roc_auc", y, p)
    logit = [np.log(v / (1 - v)) for v in (found.low, auc, found.high)]
    assert logit[1] == pytest.approx((logit[0] + logit[2]) / 2)
    # Student's quantile for the rarer class: between 1.96 and 2.2 from 12 rows on.
    half = (logit[2] - logit[0]) / 2 * auc * (1 - auc) / error

    assert 1.95 < half < 2.2


@settings(deadline=None, max_examples=40)
@given(n=st.integers(4, 30), seed=st.integers(0, 1000))
def test_small_samples_give_finite_ordered_ends(n, seed):
    for task in METRICS:
        y, p = draw(task, n, np.random.default_rng(seed))
        classes = {"binary": 2, "multiclass": 3, "regression": 0}[task]
        for name, metric in METRICS[task].items():
            if metric.needs_every_class and len(np.unique(y)) < classes:
                continue
            found = interval(task, name, y, p)
            assert np.isfinite([found.low, found.high]).all()
            assert found.low <= metric.value(y, p) + 1e-12
            assert found.high >= metric.value(y, p) - 1e-12


@pytest.mark.slow
@pytest.mark.parametrize("n", [200, 1000])
@pytest.mark.parametrize(("task", "metric"), EVERY)
def test_coverage_is_95_percent(task, metric, n):
    rng = np.random.default_rng(n)
    value = METRICS[task][metric].value
    truth = value(*draw(task, 1_000_000, np.random.default_rng(99)))
    found = [interval(task, metric, *draw(task, n, rng)) for _ in range(SIMULATIONS)]
    share = np.mean([i.low <= truth <= i.high for i in found])
    assert 0.93 <= share <= 0.97, f"{share:.3f}"
