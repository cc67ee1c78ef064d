"""What of a hold-out a model has not seen, when rows were added, redrawn or changed since."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
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


def grouped(tmp_path: Path, n: int, settings: Config, owner: Any) -> Events:
    file = tmp_path / f"features-{n}.parquet"
    pq.write_table(pa.table({"__id__owner": owner[:n]}), file)
    numbers = np.arange(n)
    groups = owner[:n] if settings.split.key else None
    keys = Keys(numbers, TARGET[:n], None, groups)
    return Events(
        file, PLAN, TARGET[:n], numbers, None, split(draw_of(settings), keys), groups=groups
    )


def by_owner() -> Config:
    found = config("random").model_dump(exclude={"split"}) | {"split": {"key": "owner"}}
    return Config.model_validate(found)


def test_by_groups_rows_of_a_group_that_was_fitted_are_seen(tmp_path: Path) -> None:
    owner = np.random.default_rng(1).integers(0, 300, 2500)
    before = grouped(tmp_path, 2000, by_owner(), owner)
    known = msgspec.json.decode(
        msgspec.json.encode(fitted_rows(before, by_owner())), type=FittedRows
    )
    seen = set(owner[before.split.fitted].tolist())
    now = grouped(tmp_path, 2500, by_owner(), owner)
    rows = unseen(now, known)
    assert rows is not None
    assert len(rows) > 0.7 * len(now.split.holdout)  # groups stay where they are
    assert not seen & set(owner[rows].tolist())
    left = np.setdiff1d(now.split.holdout, rows)
    assert set(owner[left].tolist()) <= seen


def test_a_model_that_was_fitted_across_groups_has_seen_them(tmp_path: Path) -> None:
    owner = np.random.default_rng(1).integers(0, 1000, 2000)
    before = grouped(tmp_path, 2000, config("random"), owner)
    now = grouped(tmp_path, 2000, by_owner(), owner)
    rows = unseen(now, fitted_rows(before, config("random")))
    assert rows is not None
    assert not set(owner[before.split.fitted].tolist()) & set(owner[rows].tolist())
    back = unseen(before, fitted_rows(now, by_owner()))
    assert back is not None
    assert not set(owner[now.split.fitted].tolist()) & set(owner[back].tolist())
    other = msgspec.structs.replace(fitted_rows(now, by_owner()), key=("nobody",))
    assert unseen(now, other) is None
