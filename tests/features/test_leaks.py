"""Leaks that are planted, and found; and tables without one, of which nothing is said."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

import projects
from heard import Heard
from learning import configure
from mlops_cli.contracts.missing import write_missing_contracts
from mlops_cli.stages.featurize import featurize
from mlops_cli.stages.tune import tune
from mlops_cli.stages.validate import validate

N = 3000


def orders(seed: int = 0) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    x, shop = rng.normal(0, 1, N), rng.integers(0, 60, N)
    taste = rng.normal(0, 1, 60)[shop]
    at = pd.Timestamp("2024-01-01") + pd.to_timedelta(np.sort(rng.integers(0, 90 * 86400, N)), "s")
    late = (x + taste + rng.normal(0, 1, N) > 0).astype(int)
    return pd.DataFrame(
        {
            "number": np.arange(N),
            "at": at,
            "delivered": at + pd.to_timedelta(rng.integers(3600, 86400, N), "s"),
            "x": x,
            "hours": rng.integers(1, 40, N),
            "shop": [f"s{i}" for i in shop],
            "late": late,
        }
    )


def said(
    root: Path,
    table: pd.DataFrame,
    features: dict[str, Any],
    *,
    by: str = "stratified",
    other: pd.DataFrame | None = None,
) -> list[str]:
    """What `tune` says of a project with this table before its search."""
    (root / "data/raw").mkdir(parents=True)
    table.to_parquet(projects.with_database(root) / "data/raw/t.parquet")
    if other is not None:
        other.to_parquet(root / "data/raw/other.parquet")
    task = "binary" if set(table["late"]) <= {0, 1} else "regression"
    config = {
        "project": "p",
        "task": task,
        "data": {"table": "data/raw/t.parquet", "target": "late", "time": "at"},
        "features": features,
        "split": {"by": by},
        "tune": {"trials": 1, "rounds": 5, "finish": False},
    }
    project, heard = configure(root, config), Heard()
    write_missing_contracts(project)
    validate(project)
    featurize(project)
    tune(project, progress=heard)
    return heard.lines


PLAIN = {"columns": ["x", "hours", "shop"]}


@pytest.mark.parametrize("by", ["stratified", "time"])
def test_nothing_is_said_of_an_honest_table(tmp_path, by):
    features = {**PLAIN, "row": {"hour": "hour(at)"}}
    assert said(tmp_path / "p", orders(), features, by=by) == []


def test_a_copy_of_the_outcome_that_a_join_brings(tmp_path):
    table = orders()
    rng = np.random.default_rng(1)
    refund = table["late"] * 10 + rng.normal(0, 0.5, N)
    other = pd.DataFrame({"number": table["number"], "refund": refund})
    join = {"table": "data/raw/other.parquet", "on": ["number"], "columns": ["refund"]}
    (line,) = said(tmp_path / "p", table, {**PLAIN, "join": [join]}, other=other)
    assert line.startswith("refund alone predicts the target with AUC ")
    assert "comes from a join: is it known at the time of the event?" in line


def test_a_moment_that_is_later_than_the_event(tmp_path):
    features = {**PLAIN, "row": {"days_to": "date_diff('day', at, delivered)"}}
    (line,) = said(tmp_path / "p", orders(), features, by="time")
    assert line.startswith("delivered, which days_to reads, is later than at in 100% of the rows")


@pytest.mark.parametrize("prior", [0.0, 10.0])
@pytest.mark.parametrize("task", ["binary", "regression"])
def test_a_mean_of_the_target_that_has_seen_the_rows_own(tmp_path, prior, task):
    table = orders()
    if task == "regression":
        table["late"] = table["late"] * 3.0 + table["x"]
    by = table.groupby("shop")["late"]
    total, count = by.transform("sum"), by.transform("count")
    table["shop_rate"] = (total + prior * table["late"].mean()) / (count + prior)
    (line,) = said(tmp_path / "p", table, {"columns": ["x", "hours", "shop_rate"]}, by="time")
    assert line.startswith("shop_rate is the mean of the target over all rows of its value")
    assert ("smoothed by 10 rows" in line) == (prior > 0)


@pytest.mark.parametrize(
    ("task", "columns", "prior"),
    [
        ("binary", ["x", "shop"], 0.0),
        ("regression", ["x", "shop"], 10.0),
        ("binary", ["x"], 10.0),
    ],
)
def test_a_mean_of_the_target_that_leaves_the_rows_own_out(tmp_path, task, columns, prior):
    """By the line on which it falls with the row's own.

    Of two classes, and groups of different sizes, it needs no column that names the group.
    """
    table = orders()
    if "shop" not in columns:
        sizes = np.random.default_rng(3).exponential(1, N) ** 1.5
        table["shop"] = [f"s{i}" for i in np.minimum(8 * sizes, 40).astype(int)]
    if task == "regression":
        table["late"] = table["late"] * 3.0 + table["x"]
    by = table.groupby("shop")["late"]
    total, count = by.transform("sum") - table["late"], by.transform("count") - 1
    table["shop_rate"] = (total + prior * table["late"].mean()) / (count + prior)
    lines = said(tmp_path / "p", table, {"columns": [*columns, "shop_rate"]}, by="time")
    group = "shop" if "shop" in columns else "some group"
    (line,) = [x for x in lines if "over the other rows" in x]
    assert line.startswith("shop_rate is the mean of the target over the other rows of ")
    assert f"{group}: what is missing in it" in line


def test_a_mean_out_of_fold_is_honest(tmp_path):
    table = orders()
    fold = np.random.default_rng(2).integers(0, 5, N)
    table["shop_rate"] = 0.0
    for k in range(5):
        means = table[fold != k].groupby("shop")["late"].mean()
        table.loc[fold == k, "shop_rate"] = table["shop"][fold == k].map(means)
    assert said(tmp_path / "p", table, {"columns": ["x", "shop", "shop_rate"]}, by="time") == []


def test_a_mean_of_earlier_rows_is_honest(tmp_path):
    table = orders()
    by = table.groupby("shop")["late"]
    table["shop_rate"] = (by.cumsum() - table["late"]) / by.cumcount().clip(lower=1)
    assert said(tmp_path / "p", table, {"columns": ["x", "hours", "shop_rate"]}, by="time") == []


def test_rows_that_stand_on_both_sides_of_the_split(tmp_path):
    table = orders()
    again = pd.concat([table, table.sample(600, random_state=0)]).sort_values("at")
    (line,) = said(tmp_path / "p", again, PLAIN)
    assert "rows of the hold-out have a twin in the fitted rows" in line
    assert 100 < int(line.split()[0]) < 300


def test_twins_by_chance_are_none(tmp_path):
    table = orders()
    table["x"] = table["x"].round(0)
    assert said(tmp_path / "p", table, {"columns": ["x", "hours"]}) == []
