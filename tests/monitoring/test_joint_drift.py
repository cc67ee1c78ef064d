"""Drift that no column shows by itself: what is found, and how often nothing is."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

import numpy as np
import pytest

from mlops_cli.monitoring.joint.classifier import SHARE as CLASSIFIER_SHARE
from mlops_cli.monitoring.joint.classifier import Columns, JointDrift, domain_drift
from mlops_cli.monitoring.joint.halves import Rows, floor_of, halves, quiet_effects, rank_test
from mlops_cli.monitoring.joint.reconstruction import SHARE as RECONSTRUCTION_SHARE
from mlops_cli.monitoring.joint.reconstruction import reconstruction_drift

NAMES = ("a", "b", "c", "d", "e", "kind")
COLUMNS = Columns(NAMES, frozenset({"kind"}))
LEVEL = 0.05  # of each test alone in the simulations
TESTS = {
    "classifier": (domain_drift, CLASSIFIER_SHARE),
    "reconstruction": (reconstruction_drift, RECONSTRUCTION_SHARE),
}


class Drift(Protocol):
    def __call__(
        self,
        reference: Rows,
        current: Rows,
        columns: Columns,
        *,
        alpha: float,
        quiet: tuple[float, ...] = (),
    ) -> JointDrift: ...


def independent(rng: np.random.Generator, n: int, *, swapped: bool = False) -> Rows:
    """Two pairs of columns that go together, one alone, one of text; some values are missing.

    Where `swapped`, each of a pair goes with one of the other pair: no column changes.
    """
    first, second = rng.normal(size=(2, n))
    noise = 0.6 * rng.normal(size=(4, n))
    a, b = first + noise[0], first + noise[1]
    c, d = second + noise[2], second + noise[3]
    if swapped:
        b, c = second + noise[2], first + noise[1]
    values = np.column_stack([a, b, c, d, rng.exponential(size=n), rng.integers(0, 5, n)])
    values[rng.random((n, 6)) < 0.03] = np.nan
    return Rows(values)


def grouped(rng: np.random.Generator, n: int, *, swapped: bool = False) -> Rows:
    """Rows of 40 to a subject, of whose variance 0.3 lies between subjects."""
    subjects = n // 40
    of = np.repeat(np.arange(subjects), 40)
    each = independent(rng, n, swapped=swapped).values
    own = independent(rng, subjects, swapped=swapped).values[of]
    values = np.sqrt(0.7) * each + np.sqrt(0.3) * np.nan_to_num(own)
    values[:, 5] = np.where(rng.random(n) < 0.3, own[:, 5], each[:, 5])
    return Rows(values, of + int(rng.integers(1, 10**6)) * subjects)


@pytest.mark.parametrize("test", TESTS)
def test_two_columns_that_swap_partners_are_found_and_named(test: str) -> None:
    drift, _ = TESTS[test]
    rng = np.random.default_rng(1)
    found = drift(
        independent(rng, 4_000), independent(rng, 2_000, swapped=True), COLUMNS, alpha=1 / 30
    )
    assert found.drifted
    assert found.effect > found.threshold
    assert {c.name for c in found.carriers[:4]} == {"a", "b", "c", "d"}
    assert sum(c.share for c in found.carriers) == pytest.approx(1)


@pytest.mark.parametrize("test", TESTS)
def test_more_of_the_same_is_quiet(test: str) -> None:
    drift, _ = TESTS[test]
    rng = np.random.default_rng(2)
    found = drift(independent(rng, 4_000), independent(rng, 2_000), COLUMNS, alpha=1 / 30)
    assert not found.drifted
    assert found.carriers == ()


@pytest.mark.parametrize("test", TESTS)
def test_a_window_must_lie_farther_than_quiet_ones(test: str) -> None:
    drift, _ = TESTS[test]
    rng = np.random.default_rng(3)
    before, after = independent(rng, 2_000), independent(rng, 1_000, swapped=True)
    far = drift(before, after, COLUMNS, alpha=1 / 30).effect
    found = drift(before, after, COLUMNS, alpha=1 / 30, quiet=(far,) * 20)
    assert not found.drifted
    assert found.threshold > far


@pytest.mark.parametrize("test", TESTS)
@pytest.mark.parametrize("rows", [0, 1, 3])
def test_next_to_nothing_is_no_drift(test: str, rows: int) -> None:
    drift, _ = TESTS[test]
    rng = np.random.default_rng(4)
    assert not drift(independent(rng, 500), independent(rng, rows), COLUMNS, alpha=1 / 30).drifted
    assert not drift(independent(rng, rows), independent(rng, 500), COLUMNS, alpha=1 / 30).drifted


@pytest.mark.parametrize("test", TESTS)
def test_a_column_without_a_value_and_a_constant_one_disturb_nobody(test: str) -> None:
    drift, _ = TESTS[test]
    rng = np.random.default_rng(5)
    samples = [independent(rng, n, swapped=n == 1_000) for n in (2_000, 1_000)]
    for rows in samples:
        rows.values[:, 4] = 7.0
        rows.values[:, 5] = np.nan
    assert drift(*samples, COLUMNS, alpha=1 / 30).drifted


def test_no_subject_is_learned_from_and_judged() -> None:
    rng = np.random.default_rng(6)
    before = grouped(rng, 2_000)
    after = Rows(before.values[:800], before.groups[:800])
    cut = halves(before, after)
    groups = np.concatenate([before.groups, after.groups])
    assert not set(groups[cut.learn]) & set(groups[cut.judge])
    pairs = list(zip(groups[cut.judge], cut.later[cut.judge], strict=True))
    assert len(set(pairs)) == len(pairs)


def test_ranks_of_few_are_exact() -> None:
    area, p_value = rank_test(np.arange(6.0), np.arange(6) >= 3)
    assert area == 1.0
    assert p_value == pytest.approx(1 / 20, abs=0.01)  # of 20 ways to choose three of six
    assert rank_test(np.zeros(6), np.arange(6) >= 3) == (0.5, 1.0)


def test_the_floor_is_what_the_next_quiet_window_seldom_passes() -> None:
    assert floor_of((), 0.1, none=0.5) == 0.5
    assert floor_of(tuple(np.arange(100) / 100), 0.1, none=0.0) == pytest.approx(0.9)
    assert floor_of((0.5, 0.6), 0.01, none=0.5) == pytest.approx(0.65)


def _alarms(
    drift: Drift, share: float, draw: Callable[..., Rows], windows: int, *, swapped: bool = False
) -> float:
    rng = np.random.default_rng(windows)
    found = 0
    for window in range(windows):
        if window % 10 == 0:
            before = draw(rng, 4_000)
        found += drift(
            before, draw(rng, 2_000, swapped=swapped), COLUMNS, alpha=LEVEL / share
        ).drifted
    return found / windows


@pytest.mark.slow
@pytest.mark.parametrize("draw", [independent, grouped])
@pytest.mark.parametrize("test", TESTS)
def test_quiet_windows_seldom_alarm(test: str, draw: Callable[..., Rows]) -> None:
    windows = 200
    rate = _alarms(*TESTS[test], draw, windows)
    assert rate <= LEVEL + 2 * np.sqrt(LEVEL * (1 - LEVEL) / windows), rate


@pytest.mark.slow
@pytest.mark.parametrize("test", TESTS)
def test_partners_that_swap_are_found(test: str) -> None:
    drift, share = TESTS[test]
    assert _alarms(drift, share, independent, 40, swapped=True) >= 0.95


@pytest.mark.slow
@pytest.mark.parametrize("test", TESTS)
def test_days_that_differ_are_quiet_where_earlier_days_tell(test: str) -> None:
    drift, share = TESTS[test]
    rng = np.random.default_rng(8)

    def day(rows: int) -> np.ndarray:
        return independent(rng, rows).values + np.append(0.4 * rng.normal(size=5), 0.0)

    alarms = 0
    for _ in range(5):
        days = [day(200) for _ in range(20)]
        reference = Rows(np.concatenate(days))
        quiet = quiet_effects(
            reference,
            np.repeat(np.arange(20), 200),
            lambda rest, one: drift(rest, one, COLUMNS, alpha=1.0).effect,
        )
        alarms += sum(
            drift(reference, Rows(day(200)), COLUMNS, alpha=LEVEL / share, quiet=quiet).drifted
            for _ in range(12)
        )
    assert alarms / 60 <= LEVEL + 2 * np.sqrt(LEVEL * (1 - LEVEL) / 60), alarms
