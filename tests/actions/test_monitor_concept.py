"""`mlops monitor` where the same answers go with other labels than before."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import holdouts
from command_line import Mlops
from mlops_cli import monitor
from traffic import Line, Watched, quiet

N = 400
TASKS = ("binary", "regression")
LOSS = {"binary": "log_loss", "regression": "mae"}


def _truth(task: str, rng: np.random.Generator, said: float, *, moved: bool = False) -> float:
    """What comes of an answer; where the concept `moved`, other than on the hold-out."""
    if task == "regression":
        return said + rng.normal(0, 2) + 1.5 * moved
    chance = 0.15 + 0.7 * said  # the model is surer than it may be, and the hold-out knows
    return float(rng.random() < (0.5 * chance if moved else chance))


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder, rng = tmp_path_factory.mktemp("models"), np.random.default_rng(0)
    return {
        "binary": holdouts.write(folder / "b", "binary", lambda _, p: _truth("binary", rng, p)),
        "regression": holdouts.write(
            folder / "r", "regression", lambda _, p: _truth("regression", rng, p)
        ),
    }


def _answered(line: Line) -> float:
    said = line["prediction"]
    return float(said["value"] if "value" in said else said["probability"])


def _label(watched: Watched, task: str, lines: list[Line], **how: Any) -> None:
    rng = np.random.default_rng(len(lines) + watched._files)
    kind = float if task == "regression" else bool
    watched.label(lines, lambda i, line: kind(_truth(task, rng, _answered(line), **how)))


@pytest.mark.parametrize("task", TASKS)
def test_labels_that_go_with_answers_no_longer_are_told_and_alarm(
    task: Any, tmp_path: Path, models: dict[str, Path], mlops: Mlops
) -> None:
    watched = Watched(tmp_path / "p", models[task], task, "{alerts: [{when: concept_drift}]}")
    days = [watched.answer(day, quiet(N, day)) for day in range(2)]
    _label(watched, task, days[0])
    _label(watched, task, days[1], moved=True)
    done = mlops(watched.root, "monitor", "--json", code=0)
    usual, moved = (w["concept_drift"] for w in done.result["windows"])
    assert not usual["drifted"]
    assert moved["drifted"]
    assert moved["loss"] == LOSS[task]
    assert moved["seen"] > moved["expected"]
    assert moved["rows"] == N
    assert [m["when"] for m in done.result["alerts"]["fired"]] == ["concept_drift"]
    page = (watched.root / "reports/monitor.html").read_text(encoding="utf-8")
    assert f"concept drift: {LOSS[task]}" in page


def test_the_terminal_tells_what_was_expected(
    tmp_path: Path, models: dict[str, Path], mlops: Mlops
) -> None:
    watched = Watched(tmp_path / "p", models["regression"], "regression")
    _label(watched, "regression", watched.answer(0, quiet(N, 0)), moved=True)
    out = mlops(watched.root, "monitor", code=0).out
    assert "concept drift (mae" in out
    assert "was expected" in out


@pytest.mark.parametrize("task", TASKS)
def test_quiet_days_have_none(task: Any, tmp_path: Path, models: dict[str, Path]) -> None:
    watched = Watched(tmp_path / "p", models[task], task)
    for day in range(6):
        _label(watched, task, watched.answer(day, quiet(N, day)))
    found = [w.concept_drift for w in monitor(watched.project).windows]
    assert [one is not None and one.drifted for one in found] == [False] * 6


def test_labels_that_are_not_trusted_tell_nothing(tmp_path: Path, models: dict[str, Path]) -> None:
    watched = Watched(tmp_path / "p", models["regression"], "regression")
    _label(watched, "regression", watched.answer(0, quiet(N, 0))[:20], moved=True)
    (window,) = monitor(watched.project).windows
    assert window.performance is not None
    assert window.concept_drift is None
