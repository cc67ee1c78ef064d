"""A policy replayed: which model answers which window, and what it had learned from."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import numpy as np
import pytest

from mlops_cli.evaluation.metrics import metric_of
from mlops_cli.monitoring.retraining.backtest import Labelled, Replay, usual_times

START = datetime(2026, 3, 2, tzinfo=UTC)
WEEK = timedelta(days=7)


def windows(levels: list[float]) -> list[Labelled]:
    """Weeks in which the target is one level each; what was answered is always 0."""
    rows = np.zeros((10, 1), np.float32)
    return [
        Labelled(START + i * WEEK, START + (i + 1) * WEEK, rows, np.full(10, level), np.zeros(10))
        for i, level in enumerate(levels)
    ]


def replay(of: list[Labelled], late: timedelta = timedelta(0)) -> tuple[Replay, list[int]]:
    """Models that say the last target that they were fitted on; and how many rows each had."""
    fitted: list[int] = []

    def fit(matrix: np.ndarray, target: np.ndarray):
        fitted.append(len(matrix))
        return lambda rows: np.full(len(rows), target[-1])

    base = np.zeros((5, 1), np.float32), np.zeros(5)
    return Replay(of, base, fit, metric_of("regression", "mae"), labels_after=late), fitted


def test_a_window_is_answered_by_the_newest_model_before_it() -> None:
    weeks = windows([0.0, 0.0, 4.0, 4.0])
    made, fitted = replay(weeks)
    assert made.of("never", []).score == 2.0
    after_the_third = made.of("policy", [weeks[2].end])
    assert after_the_third.score == 1.0  # the third week was still answered by the old one
    assert (after_the_third.windows, fitted) == (4, [35])


def test_labels_that_had_not_come_taught_nothing() -> None:
    weeks = windows([0.0, 4.0, 4.0])
    made, fitted = replay(weeks, late=WEEK)
    assert made.of("policy", [weeks[1].end]).score == pytest.approx(8 / 3)
    assert fitted == [15]


def test_a_model_of_a_moment_is_fitted_once() -> None:
    weeks = windows([0.0, 4.0, 4.0])
    made, fitted = replay(weeks)
    first = made.of("policy", [weeks[1].end])
    again = made.of("always", [weeks[0].end, weeks[1].end])
    assert len(fitted) == 2
    assert again.score == first.score == pytest.approx(4 / 3)


def test_what_others_do() -> None:
    weeks = windows([0.0] * 10)
    times = usual_times(weeks)
    assert times["never"] == []
    assert times["always"] == [w.end for w in weeks[:-1]]
    assert [(t - weeks[0].end).days for t in times["monthly"]] == [35]
