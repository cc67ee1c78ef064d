"""`mlops monitor` on models with a threshold or an interval: what was answered counts."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import decided
from mlops_cli import monitor
from traffic import Watched, quiet

N = 200


def test_coverage_of_intervals_is_counted_where_labels_came(tmp_path: Path) -> None:
    model = decided.write(tmp_path / "model", "interval").path
    watched = Watched(tmp_path / "p", model, "regression")
    lines = watched.answer(0, quiet(N, 0))
    apart = 2 * decided.WIDTH

    def truth(i: int, line: dict) -> float | None:
        if i >= 150:
            return None
        return line["prediction"]["value"] + (apart if i % 5 == 0 else 0.1)

    watched.label(lines, truth)
    (window,) = monitor(watched.project).windows
    assert window.performance is not None
    assert window.performance["coverage"] == pytest.approx(0.8)
    assert window.performance["coverage_low"] < 0.8 < window.performance["coverage_high"]
    assert window.performance["interval_width"] == pytest.approx(2 * decided.WIDTH)
    assert window.performance["mae"] == pytest.approx((30 * apart + 120 * 0.1) / 150)


def test_labels_are_counted_by_the_threshold_and_scores_as_answered(tmp_path: Path) -> None:
    model = decided.write(tmp_path / "model", "isotonic").path
    watched = Watched(tmp_path / "p", model, "binary")
    lines = watched.answer(0, quiet(N, 0))
    watched.label(lines, lambda i, line: line["prediction"]["label"] ^ (i % 10 == 0))
    (window,) = monitor(watched.project).windows
    chances = np.array([line["prediction"]["probability"] for line in lines])
    between = (chances >= decided.THRESHOLD) & (chances < 0.5)
    assert between.any()  # which a threshold of 0.5 would call wrong
    assert window.performance is not None
    assert window.performance["accuracy"] == pytest.approx(0.9)
    truth = np.array([line["prediction"]["label"] ^ (i % 10 == 0) for i, line in enumerate(lines)])
    assert window.performance["brier"] == pytest.approx(np.mean((chances - truth) ** 2), abs=1e-6)
