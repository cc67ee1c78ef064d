"""What of a hold-out a model has not seen, when rows were added, redrawn or changed since."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest

from mlops_cli.bundle.manifest import Target
from mlops_cli.bundle.plan import FeaturePlan
from mlops_cli.config.model import Config
from mlops_cli.tables.split import Keys, split
from mlops_cli.training.data import Events, draw_of
from mlops_cli.training.fitted_rows import FittedRows, fitted_rows, unseen

PLAN = FeaturePlan((), (), (), Target("y", None), (False, True), 0, 0, 0)
TARGET = np.random.default_rng(0).integers(0, 2, 3000).astype(np.float64)


def config(by: str, seed: int = 0) -> Config:
    data = {"table": "t.csv", "target": "y"} | ({"time": "at"} if by == "time" else {})
    return Config.model_validate(
        {
            "project": "p",
            "task": "binary",
            "data": data,
            "split": {"by": by},
            "train": {"seed": seed},
        }
    )


def events(settings: Config, numbers: Any, target: Any = TARGET) -> Events:
    moments = numbers // 10 if settings.split_by == "time" else None
    parts = split(draw_of(settings), Keys(numbers, target[numbers], moments))
    return Events(Path(), PLAN, target[numbers], numbers, moments, parts)


def fitted(settings: Config, n: int) -> tuple[FittedRows, set[int]]:
    made = events(settings, np.arange(n))
    known = fitted_rows(made, settings)
    kept = msgspec.json.decode(msgspec.json.encode(known), type=FittedRows)
    return kept, set(made.numbers[made.split.fitted].tolist())


@pytest.mark.parametrize("by", ["random", "stratified", "time"])
def test_rows_were_added(by: str) -> None:
    known, seen = fitted(config(by), 2000)
    now = events(config(by), np.arange(2200))
    rows = unseen(now, known)
    assert rows is not None
    assert not seen & set(now.numbers[rows].tolist())
    assert len(rows) > 0.9 * len(now.split.holdout)
    left = set(now.numbers[np.setdiff1d(now.split.holdout, rows)].tolist())
    assert left <= seen


@pytest.mark.parametrize("by", ["random", "stratified"])
def test_another_seed_leaves_the_rows_that_neither_has_seen(by: str) -> None:
    known, seen = fitted(config(by), 2000)
    now = events(config(by, seed=7), np.arange(2000))
    rows = unseen(now, known)
    assert rows is not None
    assert not seen & set(now.numbers[rows].tolist())
    assert 40 < len(rows) < 130


def test_from_a_draw_to_a_split_by_time() -> None:
    known, seen = fitted(config("random"), 2000)
    table = events(config("time"), np.arange(2000))
    # The digest has the moments: a table that is ordered by another time is another one.
    assert unseen(table, known) is None
    assert seen


@pytest.mark.parametrize("by", ["random", "stratified"])
def test_rows_that_are_others_now_cannot_be_told_apart(by: str) -> None:
    known, _ = fitted(config(by), 2000)
    assert unseen(events(config(by), np.arange(2000), 1 - TARGET), known) is None
    gone = np.setdiff1d(np.arange(2000), [17])
    assert unseen(events(config(by), gone), known) is None
