"""Bounds of shares and quantiles hold at every look, and are as tight as they can be."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.stats import beta

from mlops_cli.evaluation.sequential_counts import (
    log_evidence_above,
    log_evidence_below,
    quantile_bucket,
    quantile_buckets,
    share_high,
    share_low,
)

ALPHA = 0.05


def misses(share: float, runs: int, looks: int, each: int) -> tuple[float, float]:
    """How often the share was ever below its lower bound, and above its upper one."""
    random = np.random.default_rng(0)
    hits = np.cumsum(random.binomial(each, share, (runs, looks)), axis=1).astype(float)
    trials = np.arange(1, looks + 1) * float(each)
    threshold = -np.log(ALPHA)
    above = (log_evidence_above(hits, trials, share) >= threshold).any(axis=1)
    below = (log_evidence_below(hits, trials, share) >= threshold).any(axis=1)
    return float(above.mean()), float(below.mean())


@pytest.mark.parametrize("share", [0.001, 0.02, 0.5, 0.99])
def test_a_share_stays_within_its_bounds_at_all_looks(share: float) -> None:
    assert max(misses(share, 500, 100, 100)) <= ALPHA + 0.02


@pytest.mark.slow
@pytest.mark.parametrize("share", [0.0005, 0.02, 0.3, 0.99])
@pytest.mark.parametrize("each", [1, 100])
def test_a_share_stays_within_its_bounds_at_a_thousand_looks(share: float, each: int) -> None:
    assert max(misses(share, 4_000, 1_000, each)) <= ALPHA + 0.007


def test_the_bounds_are_where_the_evidence_ends() -> None:
    hits, trials = np.array([0.0, 3.0, 20.0, 1_000.0]), np.array([50.0, 100.0, 1_000.0, 1_000.0])
    low, high = share_low(hits, trials, ALPHA), share_high(hits, trials, ALPHA)
    assert low[0] == 0
    assert high[3] == pytest.approx(1)
    inside = low[1:3]
    assert log_evidence_above(hits[1:3], trials[1:3], inside) == pytest.approx(-np.log(ALPHA))
    assert np.all(low <= hits / trials)
    assert np.all(high >= hits / trials)
    fixed = beta.ppf(1 - ALPHA, 21, 980) - beta.ppf(ALPHA, 20, 981)  # Clopper and Pearson's
    assert high[2] - low[2] <= 2 * fixed
    assert share_low(np.zeros(1), np.zeros(1), ALPHA) == 0
    assert share_high(np.zeros(1), np.zeros(1), ALPHA) == pytest.approx(1)


def of_buckets(random: np.random.Generator, runs: int, looks: int, each: int) -> NDArray[np.int64]:
    chance = np.exp(-(((np.arange(60) - 30) / 8.0) ** 2) / 2)
    found = random.multinomial(each, chance / chance.sum(), (runs, looks))
    return np.cumsum(found, axis=1)


@pytest.mark.parametrize("q", [0.5, 0.99])
def test_a_quantile_stays_between_its_buckets_at_all_looks(q: float) -> None:
    found = of_buckets(np.random.default_rng(1), 300, 60, 200)
    chance = np.cumsum(np.exp(-(((np.arange(60) - 30) / 8.0) ** 2) / 2))
    true = int((chance / chance[-1] < q).sum())
    bounds = quantile_buckets(found, q, ALPHA)
    assert (bounds.low > true).any(axis=1).mean() <= ALPHA
    assert (bounds.high < true).any(axis=1).mean() <= ALPHA
    assert np.all(bounds.low <= np.floor(quantile_bucket(found, q)))
    last = (bounds.high - bounds.low)[:, -1].mean()
    assert last <= 4  # of 12,000, at buckets of 5 %


def test_few_events_bound_no_tail_above() -> None:
    found = quantile_buckets(np.array([0, 20, 0]), 0.99, ALPHA)
    assert (int(found.low), int(found.high)) == (1, 3)
    assert float(quantile_bucket(np.array([0, 20, 0]), 0.5)) == 1.5
    nothing = quantile_buckets(np.array([0, 0, 0]), 0.99, ALPHA)
    assert (int(nothing.low), int(nothing.high)) == (0, 3)
