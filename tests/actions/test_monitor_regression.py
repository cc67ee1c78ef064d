"""`mlops monitor` of a regression: what its errors are before labels come."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import holdouts
from mlops_cli import monitor
from traffic import Line, Watched, quiet

N = 400


def _noise(temp: float | None, rng: np.random.Generator) -> float:
    """How far the target lies from the model's answer: by much where it is hot."""
    return float(rng.normal(0, 4.0 if temp is not None and temp > 20 else 1.0))


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    rng = np.random.default_rng(0)
    path = tmp_path_factory.mktemp("models") / "regression"
    return holdouts.write(path, "regression", lambda event, said: said + _noise(event["temp"], rng))


@pytest.fixture
def watched(tmp_path: Path, model: Path) -> Watched:
    return Watched(tmp_path / "p", model, "regression")


def _came(rng: np.random.Generator, line: Line) -> float:
    return float(line["prediction"]["value"]) + _noise(line["inputs"]["temp"], rng)


def test_what_labels_show_lies_in_the_interval_that_was_told_without_them(
    watched: Watched,
) -> None:
    rng = np.random.default_rng(1)
    days = [watched.answer(day, quiet(N, day)) for day in range(5)]
    before = monitor(watched.project).windows
    for lines in days:
        watched.label(lines, lambda i, line: _came(rng, line))
    after = monitor(watched.project).windows
    outside = 0
    for told, came in zip(before, after, strict=True):
        assert told.performance is None
        assert told.estimated is not None
        assert came.performance is not None
        for name in ("mae", "rmse", "r2"):
            low, high = told.estimated[f"{name}_low"], told.estimated[f"{name}_high"]
            assert low < told.estimated[name] < high
            outside += not low <= came.performance[name] <= high
    assert outside <= 2  # of 15 intervals of 95 %
    last = after[-1].estimate_check
    assert last is not None
    assert last.reliable
    assert last.windows == 4


def test_rows_that_are_harder_show_before_a_label_comes(watched: Watched) -> None:
    def hot(line: Line) -> dict[str, Any]:
        return line | {"inputs": line["inputs"] | {"temp": 28.5}}

    watched.answer(0, quiet(N, 0))
    watched.answer(1, quiet(N, 1), hot)
    usual, harder = (w.estimated for w in monitor(watched.project).windows)
    assert usual is not None
    assert harder is not None
    assert harder["mae_low"] > usual["mae_high"]


def test_an_estimate_that_labels_refute_is_called_unreliable(watched: Watched) -> None:
    days = [watched.answer(day, quiet(N, day)) for day in range(6)]
    for lines in days[:5]:
        watched.label(lines, lambda i, line: line["prediction"]["value"] + 30.0)
    last = monitor(watched.project).windows[-1]
    assert last.estimate_check is not None
    assert not last.estimate_check.reliable
    assert last.estimate_check.missed == 5
