"""The paired comparison behind `not_worse`: what it never does, and how often chance misleads."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mlops_cli.evaluation.holdout import scores_of
from mlops_cli.evaluation.metrics import METRICS
from mlops_cli.evaluation.paired import (
    LEVEL,
    Comparison,
    answer,
    compare,
    surely_worse,
)
from paired_models import pair, rmse


def passes(found: Comparison) -> bool:
    """Whether the candidate is not surely worse than its one opponent."""
    return answer([found], None) == "passed"


@settings(deadline=None, max_examples=50)
@given(st.integers(2, 200), st.booleans(), st.integers(0, 2**32 - 1))
def test_a_model_is_not_worse_than_itself(rows: int, in_time: bool, seed: int) -> None:
    rng = np.random.default_rng(seed)
    y, p = rng.normal(size=rows), rng.normal(size=rows)
    scores = scores_of((rmse, rmse), y, (p, p.copy()), classes=0)
    found = compare(scores, rows, higher_is_better=False, in_time=in_time)
    assert passes(found)
    assert found.difference == 0.0


def test_a_better_model_always_passes_whichever_way_the_metric_goes() -> None:
    better = pair(np.random.default_rng(0), 200, worse=0.5)
    assert passes(compare(better, 200, higher_is_better=False, in_time=True))
    assert not passes(compare(better, 200, higher_is_better=True, in_time=True))


@settings(deadline=None, max_examples=50)
@given(st.integers(2, 300), st.booleans(), st.booleans(), st.integers(0, 2**32 - 1))
def test_what_one_gains_the_other_loses(
    rows: int, in_time: bool, higher_is_better: bool, seed: int
) -> None:
    """Swapped, the difference changes its sign, and the interval's width stays."""
    rng = np.random.default_rng(seed)
    y, a, b = rng.normal(size=(3, rows))

    def compared(one: np.ndarray, other: np.ndarray) -> Comparison:
        scores = scores_of((rmse, rmse), y, (one, other), classes=0)
        return compare(scores, rows, higher_is_better=higher_is_better, in_time=in_time)

    here, there = compared(a, b), compared(b, a)
    assert here.difference == pytest.approx(-there.difference, abs=1e-12)
    assert here.error == pytest.approx(there.error, abs=1e-9)
    assert here.error >= 0
    assert here.interval == pytest.approx([-end for end in reversed(there.interval)], abs=1e-9)
    assert passes(here) or passes(there)


@settings(deadline=None, max_examples=50)
@given(st.integers(20, 300), st.floats(1e-3, 1e3), st.integers(0, 2**32 - 1))
def test_the_unit_of_the_target_decides_nothing(rows: int, unit: float, seed: int) -> None:
    rng = np.random.default_rng(seed)
    y, a, b = rng.normal(size=(3, rows))
    verdicts = {
        passes(
            compare(
                scores_of((rmse, rmse), k * y, (k * a, k * b), classes=0),
                rows,
                higher_is_better=False,
                in_time=False,
            )
        )
        for k in (1.0, unit)
    }
    assert len(verdicts) == 1


@pytest.mark.parametrize("in_time", [True, False])
@pytest.mark.parametrize("rows", [100, 2000])
def test_how_often_chance_refuses_a_model_that_is_as_good(rows: int, in_time: bool) -> None:
    rng = np.random.default_rng(rows)
    trials = 400
    refused = sum(
        not passes(compare(pair(rng, rows), rows, higher_is_better=False, in_time=in_time))
        for _ in range(trials)
    )
    margin = 3 * math.sqrt(LEVEL * (1 - LEVEL) / trials)
    assert LEVEL - margin <= refused / trials <= LEVEL + margin


def test_a_model_that_is_plainly_worse_is_refused() -> None:
    rng = np.random.default_rng(1)
    refused = [
        not passes(compare(pair(rng, 500, 1.1), 500, higher_is_better=False, in_time=True))
        for _ in range(100)
    ]
    assert sum(refused) >= 80


def test_neighbours_in_time_that_err_together_do_not_feign_certainty() -> None:
    """Days of 50 rows with one common error: 20 days are 20 observations, not 1,000."""
    rng = np.random.default_rng(2)
    refused = 0
    for _ in range(300):
        y = rng.normal(size=1000)
        errors = np.repeat(rng.normal(size=(2, 20)), 50, axis=1)
        scores = scores_of((rmse, rmse), y, (y + errors[0], y + errors[1]), classes=0)
        refused += not passes(compare(scores, 1000, higher_is_better=False, in_time=True))
    assert refused / 300 <= 0.1


def found(difference: float, error: float = 1.0) -> Comparison:
    return Comparison(0.5 + difference, 0.5, difference, error, 19)


def test_one_test_has_five_percent_and_two_have_five_together() -> None:
    assert surely_worse([found(-1.8)]) == [True]  # p = 0.044
    assert surely_worse([found(-1.8), found(0.0)]) == [False, False]
    assert surely_worse([found(0.0), found(-2.2)]) == [False, True]  # p = 0.020
    assert surely_worse([found(-1.8), found(-2.2)]) == [True, True], "Holm: the second has 5 %"
    assert answer([found(-1.8), found(0.0)], None) == "passed"
    assert answer([found(0.0), found(-2.2)], None) == "refused"


@pytest.mark.parametrize(
    ("differences", "margin", "said"),
    [
        ([0.0], 2.2, "passed"),  # the interval reaches 2.09 to each side
        ([0.0], 2.0, "inconclusive"),
        ([-4.2], 2.0, "refused"),
        ([-4.0], 2.0, "inconclusive"),
        ([2.2], 0.0, "passed"),
        ([2.0], 0.0, "inconclusive"),
        ([-2.2], 0.0, "refused"),
        ([2.2, 2.0], 0.0, "inconclusive"),
        ([2.2, 2.2], 0.0, "passed"),
        ([2.2, -2.2], 0.0, "refused"),
    ],
)
def test_a_margin_has_three_answers(differences: list[float], margin: float, said: str) -> None:
    assert answer([found(d) for d in differences], margin) == said


def test_the_same_predictions_are_within_any_margin_and_not_better() -> None:
    assert answer([found(0.0, 0.0)], 0.01) == "passed"
    assert answer([found(0.0, 0.0)], 0.0) == "inconclusive"
    assert answer([found(0.0, 0.0)], None) == "passed"


def test_the_detectable_gain_is_of_the_errors_own_unit() -> None:
    assert found(0.3, 2.0).detectable() == pytest.approx(2 * found(0.0).detectable())
    assert found(0.0).detectable() == pytest.approx(3.1, abs=0.01)
    assert found(0.0).detectable(0.9) > found(0.0).detectable()
    assert math.isinf(Comparison(0.5, 0.5, 0.0, 1.0, 1).detectable(0.9))


def classes(rng: np.random.Generator, rows: int) -> tuple[np.ndarray, list[np.ndarray]]:
    """A binary target, and two equally good models of it that resemble each other."""
    margin = rng.normal(size=rows)
    y = (rng.random(rows) < 1 / (1 + np.exp(-margin))).astype(float)
    both = margin + 0.6 * rng.normal(size=rows)
    return y, [1 / (1 + np.exp(-(both + 0.4 * rng.normal(size=rows)))) for _ in range(2)]


def amounts(rng: np.random.Generator, rows: int) -> tuple[np.ndarray, list[np.ndarray]]:
    """A regression target, and two equally good models of it that resemble each other."""
    y, both = rng.normal(size=(2, rows))
    return y, [y + both + 0.4 * rng.normal(size=rows) for _ in range(2)]


@pytest.mark.slow
@pytest.mark.parametrize("in_time", [True, False])
@pytest.mark.parametrize(
    ("task", "metric", "draw"),
    [
        ("binary", "roc_auc", classes),
        ("binary", "average_precision", classes),
        ("binary", "log_loss", classes),
        ("binary", "f1", classes),
        ("regression", "rmse", amounts),
        ("regression", "mae", amounts),
        ("regression", "r2", amounts),
    ],
)
def test_an_equally_good_model_is_refused_in_five_percent_of_cases(
    task: str, metric: str, draw: Callable, in_time: bool
) -> None:
    rng = np.random.default_rng([in_time, len(metric)])
    measure, rows, trials, refused = METRICS[task][metric], 400, 400, 0
    for _ in range(trials):
        y, (a, b) = draw(rng, rows)
        scores = scores_of((measure.value,) * 2, y, (a, b), classes=2 if task == "binary" else 0)
        found = compare(scores, rows, higher_is_better=measure.greater_is_better, in_time=in_time)
        assert found.decidable
        refused += not passes(found)
    assert abs(refused / trials - LEVEL) <= 4 * math.sqrt(LEVEL * (1 - LEVEL) / trials)
