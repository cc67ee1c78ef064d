"""The statistics against SciPy and against what they must be by definition."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from mlops_cli.monitoring.counts import shares, statistics
from mlops_cli.monitoring.counts.comparison import cells_of
from mlops_cli.monitoring.counts.statistics import Counts
from mlops_cli.monitoring.drift.profile import sketch

COUNTS = st.lists(st.integers(0, 400), min_size=2, max_size=12)


def binned(reference: np.ndarray, current: np.ndarray) -> tuple[np.ndarray, Counts, Counts]:
    edges, counts = cells_of(sketch(reference))
    now = np.bincount(np.searchsorted(edges, current), minlength=len(counts))
    return edges, counts, now


@settings(deadline=None, max_examples=40)
@given(seed=st.integers(0, 2**31), shift=st.floats(-1, 1), tails=st.booleans())
def test_ks_from_the_sketch_is_that_of_the_values(seed: int, shift: float, tails: bool) -> None:
    rng = np.random.default_rng(seed)
    draw = rng.standard_cauchy if tails else rng.standard_normal
    reference, current = draw(4000), draw(700) + shift
    exact = stats.ks_2samp(reference, current, method="asymp").statistic
    got = statistics.ks_distance(*binned(reference, current)[1:])
    assert exact - 1 / 60 <= got <= exact + 1e-12


def test_ks_of_listed_values_is_exact() -> None:
    reference, current = (
        np.repeat([1.0, 2, 3], [5, 3, 2]),
        np.repeat([0.0, 2, 2.5, 9], [1, 4, 2, 3]),
    )
    exact = stats.ks_2samp(reference, current, method="asymp").statistic
    assert statistics.ks_distance(*binned(reference, current)[1:]) == pytest.approx(exact)


@settings(deadline=None, max_examples=30)
@given(seed=st.integers(0, 2**31), shift=st.floats(-1, 1))
def test_wasserstein_from_the_sketch_is_near_that_of_the_values(seed: int, shift: float) -> None:
    rng = np.random.default_rng(seed)
    reference, current = rng.normal(size=5000), rng.normal(size=1000) + shift
    edges, then, now = binned(reference, current)
    outside = np.maximum(edges[0] - current, 0) + np.maximum(current - edges[-1], 0)
    got = statistics.wasserstein(edges, then, now) + outside.mean()
    assert got == pytest.approx(stats.wasserstein_distance(reference, current), abs=0.02)


@settings(deadline=None, max_examples=60)
@given(st.data())
def test_chi_square_is_scipys(data: st.DataObject) -> None:
    cells = data.draw(st.lists(st.tuples(*[st.integers(0, 400)] * 2), min_size=2, max_size=12))
    reference, current = np.array(cells).T
    statistic, freedom = statistics.chi_square(reference, current)
    kept = reference + current > 0
    if reference.sum() and current.sum() and kept.sum() > 1:
        table = np.array([reference[kept], current[kept]])
        want = stats.chi2_contingency(table, correction=False)
        assert (statistic, freedom) == (pytest.approx(want.statistic), want.dof)
        assert statistics.chi_square_p_value(statistic, freedom) == pytest.approx(want.pvalue)
    else:
        assert (statistic, freedom) == (0.0, 0)


@settings(deadline=None, max_examples=60)
@given(COUNTS, st.integers(10, 5000))
def test_merging_thin_cells_loses_no_row_and_leaves_none_thin(counts: list[int], n: int) -> None:
    reference = np.array(counts)
    current = np.random.default_rng(n).multinomial(n, np.full(len(counts), 1 / len(counts)))
    then, now = statistics.merge_thin(reference, current)
    assert (then.sum(), now.sum()) == (reference.sum(), current.sum())
    if len(then) > 1:
        expected = (then + now) * min(then.sum(), n) / (then.sum() + n)
        assert expected.min() >= statistics.EXPECTED


def test_cells_chosen_by_being_empty_are_merged() -> None:
    reference, current = np.array([900, 100, 0]), np.array([450, 50, 500])
    then, now = statistics.merge_thin(reference, current)
    assert sorted(zip(then.tolist(), now.tolist(), strict=True)) == [(100, 550), (900, 450)]


@pytest.mark.parametrize("size", [20.0, 90.9, 999.0])
@pytest.mark.parametrize("alpha", [0.0005, 0.03])
def test_ks_threshold_is_the_inverse_of_the_p_value(size: float, alpha: float) -> None:
    critical = statistics.ks_critical(alpha, size)
    assert statistics.ks_p_value(critical, size) == pytest.approx(alpha, rel=1e-6)
    exact = stats.kstwo.isf(alpha, int(size))  # one sample of the effective size
    assert critical == pytest.approx(exact, rel=0.06)


def test_psi_follows_its_chi_square_law() -> None:
    rng = np.random.default_rng(3)
    share, n, m = np.full(10, 0.1), 1000, 4000
    over = 0
    critical = statistics.psi_critical(0.05, 10, statistics.effective(n, m))
    for _ in range(2000):
        index = statistics.psi(rng.multinomial(m, share), rng.multinomial(n, share))
        over += index > critical
    assert 0.03 <= over / 2000 <= 0.07


def test_psi_of_a_cell_that_became_empty_is_large_and_finite() -> None:
    assert 3 < statistics.psi(np.array([500, 500]), np.array([0, 1000])) < 5


def test_groups_are_nearly_even_and_keep_every_row() -> None:
    rng = np.random.default_rng(0)
    reference, current = rng.normal(size=10_000), rng.normal(size=500) * 5
    _, then, now = binned(reference, current)
    then, now = statistics.group_evenly(then, now)
    assert (then.sum(), now.sum()) == (10_000, 500)
    assert then.min() > 800
    assert then.max() < 1200
    assert now[0] > 100
    assert now[-1] > 100


@settings(deadline=None, max_examples=60)
@given(
    n=st.integers(30, 2000),
    m=st.integers(30, 50_000),
    share=st.floats(0, 1),
    then=st.floats(0, 1),
)
def test_share_test_is_never_much_bolder_than_fishers(
    n: int, m: int, share: float, then: float
) -> None:
    hits, reference_hits = round(share * n), round(then * m)
    got = shares.share_p_value(hits, n, reference_hits, m)
    exact = stats.fisher_exact([[hits, n - hits], [reference_hits, m - reference_hits]]).pvalue
    assert 0 <= got <= 1
    # Pearson's tail is thinner than the exact one where few are expected: down to 0.14 of it.
    if exact > 0.001:
        assert got >= exact * (0.3 if exact > 0.05 else 0.1)


@settings(deadline=None, max_examples=200)
@given(
    n=st.integers(1, 100_000),
    m=st.integers(1, 1_000_000),
    share=st.floats(0, 1),
    then=st.floats(0, 1),
    few=st.booleans(),
)
def test_share_test_is_scipys(n: int, m: int, share: float, then: float, few: bool) -> None:
    """Pearson's without Yates' correction, and where few are expected twice the binomial's tail."""
    hits, reference_hits = (
        (min(round(9 * share), n), 0) if few else (round(share * n), round(then * m))
    )
    total = hits + reference_hits
    table = np.array([[hits, n - hits], [reference_hits, m - reference_hits]])
    got = shares.share_p_value(hits, n, reference_hits, m)
    if total in (0, n + m):
        assert got == 1
    elif min(total, n + m - total) * min(n, m) / (n + m) >= shares.EXPECTED:
        exact = stats.chi2_contingency(table, correction=False).pvalue
        assert got == pytest.approx(exact, rel=1e-6, abs=1e-300)
    else:
        chance = stats.binom(total, n / (n + m))
        exact = min(1.0, 2 * min(chance.sf(hits - 1), chance.cdf(hits)))
        assert got == pytest.approx(exact, rel=1e-7, abs=1e-300)


@settings(deadline=None, max_examples=60)
@given(n=st.integers(30, 3000), m=st.integers(100, 50_000), then=st.floats(0, 0.9))
def test_share_threshold_is_where_the_test_begins_to_reject(n: int, m: int, then: float) -> None:
    reference_hits = round(then * m)
    critical = shares.share_critical(0.001, n, reference_hits, m)
    if critical == 1.0:
        assert shares.share_p_value(n, n, reference_hits, m) > 0.001
    else:
        hits = round((critical + reference_hits / m) * n)
        assert shares.share_p_value(hits, n, reference_hits, m) <= 0.001
        assert shares.share_p_value(hits - 1, n, reference_hits, m) > 0.001


def test_thresholds_shrink_with_either_sample() -> None:
    sizes = [statistics.effective(n, m) for n, m in ((100, 100), (100, 10_000), (5000, 10_000))]
    criticals = [statistics.ks_critical(0.001, s) for s in sizes]
    assert criticals == sorted(criticals, reverse=True)
    indices = [statistics.psi_critical(0.001, 10, s) for s in sizes]
    assert indices == sorted(indices, reverse=True)
