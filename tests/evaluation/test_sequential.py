"""What holds at every look: by the published formulas, by simulation, and as an inverse."""

from __future__ import annotations

import math

import numpy as np
import pytest

from mlops_cli.evaluation.sequential import p_value, reach, share_p_values, tuning

FIXED = 1.959964  # standard errors of an interval that is looked at once


def test_the_tuning_is_where_the_interval_is_shortest() -> None:
    assert tuning() == pytest.approx(8.21197, abs=1e-5)
    at = reach(np.array([0.8, 0.9, 1.0, 1.1, 1.25]))
    widths = at / np.sqrt([0.8, 0.9, 1.0, 1.1, 1.25])
    assert np.all(np.diff(widths) < 0)  # more data is never worse
    # Of all tunings the one of the clock 1 is best there: theorem 2.2 by hand, at others.
    for r in (4.0, 7.0, 9.5, 16.0):
        other = math.sqrt(2 * (r + 1) / r * math.log(math.sqrt(r + 1) / 0.05))
        assert reach(1.0) < other


def test_it_is_at_most_1_6_times_a_fixed_interval_from_a_third_to_four_times_the_plan() -> None:
    assert np.all(reach(np.linspace(0.38, 4.0, 50)) <= 1.6 * FIXED)


def test_few_degrees_of_freedom_reach_farther_and_many_as_far_as_normal() -> None:
    few = reach(1.0, 0.05, np.array([5.0, 20.0, 100.0, 1e6]))
    assert np.all(np.diff(few) < 0)
    assert few[-1] == pytest.approx(float(reach(1.0)), rel=1e-4)
    assert np.isinf(reach(0.01, 0.05, 2.0))


@pytest.mark.parametrize("freedom", [8.0, 60.0, math.inf])
def test_the_p_value_is_the_level_whose_interval_ends_there(freedom: float) -> None:
    for alpha in (0.001, 0.01, 0.05, 0.2):
        end = reach(0.7, alpha, freedom)
        assert p_value(end, 0.7, freedom) == pytest.approx(alpha)
    assert p_value(0.0, 3.0, freedom) == 1.0


def test_a_share_that_is_as_told_alarms_rarely_at_any_look_and_one_that_is_not_surely() -> None:
    rng = np.random.default_rng(0)
    trials = np.arange(1.0, 3001.0)
    fair = (rng.random((1500, 3000)) < 0.3).cumsum(axis=1).astype(float)
    at = share_p_values(fair, trials, 0.3)
    assert np.all(np.diff(at, axis=1) <= 0)
    assert np.mean(at[:, -1] < 0.05) <= 0.05
    shifted = (rng.random((100, 3000)) < 0.4).cumsum(axis=1).astype(float)
    assert np.mean(share_p_values(shifted, trials, 0.3)[:, -1] < 0.001) > 0.95


def test_it_holds_at_every_look_where_a_fixed_interval_does_not() -> None:
    rng = np.random.default_rng(1)
    n, looks = 1000, np.arange(40, 4001, 40)
    values = rng.exponential(size=(n, 4000))
    sums, squares = (np.cumsum(v, axis=1)[:, looks - 1] for v in (values, values**2))
    mean = sums / looks
    error = np.sqrt((squares / looks - mean**2) / (looks - 1))
    z = np.abs(mean - 1) / error
    missed = np.any(z > reach(looks / 4000, 0.05, np.asarray(looks - 1, np.float64)), axis=1).mean()
    fixed = np.any(z > FIXED, axis=1).mean()
    assert missed <= 0.05 + 2 * math.sqrt(0.05 * 0.95 / n)
    assert fixed > 0.25
