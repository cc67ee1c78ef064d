"""Aggregates are what was known at the event's time: held to an obvious reference, row by row."""

from __future__ import annotations

import json
import math
import statistics
from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from mlops_cli.config.load import load_project
from mlops_cli.config.project import Project
from mlops_cli.contracts.missing import write_missing_contracts
from mlops_cli.errors import UsageError
from mlops_cli.features.aggregates import parse_aggregate
from mlops_cli.features.base import load_schemas
from mlops_cli.features.layout import check_features
from mlops_cli.features.raw_table import training_sql
from mlops_cli.stages.featurize import featurize
from mlops_cli.stages.validate import validate
from mlops_cli.tables import open_engine
from mlops_cli.tables.base import ROW

BEGIN = datetime(2024, 2, 28, 22)  # a leap day lies within
Row = dict[str, Any]
REFERENCES: dict[str, Callable[[list[Row]], Any]] = {
    "count(*)": len,
    "count(x)": lambda rows: len(_x(rows)),
    "count(distinct k)": lambda rows: len({r["k"] for r in rows if r["k"] is not None}),
    "sum(x)": lambda rows: math.fsum(_x(rows)) if _x(rows) else None,
    "avg(x)": lambda rows: statistics.fmean(_x(rows)) if _x(rows) else None,
    "min(x)": lambda rows: min(_x(rows), default=None),
    "max(x * 2 - 1)": lambda rows: max((2 * x - 1 for x in _x(rows)), default=None),
    "stddev(x)": lambda rows: statistics.stdev(_x(rows)) if len(_x(rows)) > 1 else None,
    "first(k)": lambda rows: next((r["k"] for r in rows if r["k"] is not None), None),
    "last(k)": lambda rows: next((r["k"] for r in rows[::-1] if r["k"] is not None), None),
    "count(*) filter (where x > 1)": lambda rows: sum(x > 1 for x in _x(rows)),
    "avg(x) filter (where k = 'u')": lambda rows: (
        statistics.fmean(xs) if (xs := _x([r for r in rows if r["k"] == "u"])) else None
    ),
    "last(k) filter (where x is null)": lambda rows: next(
        (r["k"] for r in rows[::-1] if r["k"] is not None and not _x([r])), None
    ),
    "count(distinct k) filter (where x < 2)": lambda rows: len(
        {r["k"] for r in rows if r["k"] is not None and _x([r]) and r["x"] < 2}
    ),
    "avg(x > 1)": lambda rows: statistics.fmean(x > 1 for x in _x(rows)) if _x(rows) else None,
    "count(*) filter (where k = 'u') / nullif(count(*), 0)": lambda rows: (
        sum(r["k"] == "u" for r in rows) / len(rows) if rows else None
    ),
    "sum(x) / nullif(count(*), 0)": lambda rows: (
        math.fsum(_x(rows)) / len(rows) if _x(rows) else None
    ),
}


def _x(rows: list[Row]) -> list[float]:
    return [r["x"] for r in rows if r["x"] is not None and not math.isnan(r["x"])]


def _project(root: Path, *, window: str, lag: str, table: str = "facts", **more: str) -> None:
    aggregates = "\n".join(
        f"    - {{name: a{i}, expr: {json.dumps(expr)}, table: data/raw/{table}.parquet, "
        f"by: [g, h], window: {window}, lag: {lag}}}"
        for i, expr in enumerate(more.get("exprs", "|".join(REFERENCES)).split("|"))
    )
    known = f", target_known_after: {more['known']}" if "known" in more else ""
    (root / "mlops.yaml").write_text(
        "project: p\ntask: binary\n"
        f"data: {{table: data/raw/events.parquet, target: y, time: at{known}}}\n"
        f"validate: {{on_bad_rows: warn}}\nfeatures:\n  columns: [z]\n  aggregates:\n{aggregates}\n"
    )


def _history(random: np.random.Generator, rows: int) -> list[Row]:
    """Rows with ties, gaps, nulls among keys, values and moments, and a NaN."""
    minutes = random.integers(0, 60 * 30, rows)
    return [
        {
            "at": None if random.random() < 0.03 else BEGIN + timedelta(minutes=int(m)),
            "g": random.choice(["a", "b", None], p=[0.6, 0.35, 0.05]),
            "h": int(random.integers(0, 2)),
            "x": random.choice([None, math.nan, 1.5, -2.0, 0.1, 7.0]),
            "k": random.choice([None, "u", "v", "w"]),
        }
        for m in minutes
    ]


def _write(root: Path, facts: list[Row], events: list[Row]) -> None:
    (root / "data/raw").mkdir(parents=True, exist_ok=True)
    kinds = {"at": pa.timestamp("us"), "g": pa.string(), "h": pa.int64(), "x": pa.float64(),
             "k": pa.string()}  # fmt: skip
    for name, rows in (("facts", facts), ("events", events)):
        table = pa.table({n: pa.array([r[n] for r in rows], kind) for n, kind in kinds.items()})
        if name == "events":
            table = table.append_column("y", pa.array([i % 2 for i in range(len(rows))]))
            table = table.append_column("z", pa.array([float(i) for i in range(len(rows))]))
        pq.write_table(table, root / f"data/raw/{name}.parquet")


def _checked(root: Path) -> Project:
    """The project with its contracts, its features checked."""
    project = load_project(root)
    write_missing_contracts(project)
    check_features(project.config, load_schemas(project))
    return project


def _features(root: Path) -> list[Row]:
    """Featurize's table by the row's number in `z`."""
    validate(_checked(root))
    project = load_project(root)
    featurize(project)
    rows = pq.read_table(root / "data/features.parquet").to_pylist()
    return sorted(rows, key=lambda r: r["z"])


def _known_then(facts: list[Row], event: Row, window: timedelta, lag: timedelta) -> list[Row]:
    """The rows of the event's keys in (t - lag - window, t - lag], by time and place."""
    end = event["at"] - lag
    kept = [
        (r["at"], i, r)
        for i, r in enumerate(facts)
        if r["at"] is not None
        and r["g"] == event["g"]
        and r["h"] == event["h"]
        and end - window < r["at"] <= end
    ]
    return [r for *_, r in sorted(kept, key=lambda part: part[:2])]


@pytest.mark.parametrize(
    ("window", "lag", "table"),
    [(60, 0, "facts"), (90, 30, "facts"), (1, 1, "facts"), (90, 30, "events"), (1, 1, "events")],
)
def test_each_value_is_that_of_the_reference(
    tmp_path: Path, window: int, lag: int, table: str
) -> None:
    random = np.random.default_rng(window)
    facts, events = _history(random, 700), _history(random, 300)
    if table == "events":
        events = facts = [f | {"at": f["at"] or BEGIN} for f in facts]
    else:
        events = [e | {"x": 1.0, "k": "u", "at": e["at"] or BEGIN} for e in events]
    _write(tmp_path, facts, events)
    _project(tmp_path, window=f"{window}m", lag=f"{lag}m", table=table)
    made = _features(tmp_path)
    assert len(made) == len(events)
    for event, row in zip(events, made, strict=True):
        for i, (expr, reference) in enumerate(REFERENCES.items()):
            found = row[f"a{i}"]
            if event["g"] is None:
                assert found is None, expr
                continue
            rows = _known_then(facts, event, timedelta(minutes=window), timedelta(minutes=lag))
            wanted = reference(rows)
            same = found == wanted or (
                isinstance(wanted, int | float)
                and found is not None
                and math.isclose(found, wanted, rel_tol=1e-5, abs_tol=1e-6)
            )
            assert same, (expr, event, found, wanted)


def test_the_future_changes_nothing(tmp_path: Path) -> None:
    """Whatever stands behind t - lag may be anything: no feature moves."""
    random = np.random.default_rng(3)
    facts, events = _history(random, 400), _history(random, 60)
    at = BEGIN + timedelta(hours=12)
    events = [e | {"at": at, "x": 1.0, "k": "u"} for e in events]
    _project(tmp_path, window="6h", lag="1h")
    _write(tmp_path, facts, events)
    before = _features(tmp_path)
    later = [
        r | {"x": 1000.0, "k": "w"} if r["at"] and r["at"] > at - timedelta(hours=1) else r
        for r in facts
    ]
    assert later != facts
    _write(tmp_path, later + [r | {"at": at} for r in later[:50]], events)
    assert _features(tmp_path) == before


def test_over_the_events_own_table_an_event_sees_only_earlier_ones(tmp_path: Path) -> None:
    events = [
        {"at": BEGIN + timedelta(hours=i), "g": "a", "h": 0, "x": float(i), "k": "u"}
        for i in range(20)
    ]
    _write(tmp_path, events, events)
    _project(tmp_path, window="2h", lag="1h", table="events", exprs="sum(x)|avg(y)", known="1h")
    made = _features(tmp_path)
    assert [r["a0"] for r in made[:5]] == [None, 0.0, 1.0, 3.0, 5.0]
    assert [r["a1"] for r in made[:4]] == [None, 0.0, 0.5, 0.5]


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"table": "events", "lag": "0s", "exprs": "sum(x)"}, "would see itself"),
        ({"table": "events", "lag": "1h", "exprs": "avg(y)"}, "of which the target is made"),
        ({"table": "events", "lag": "1h", "exprs": "avg(y)", "known": "2h"}, "is shorter than"),
        ({"exprs": "sum(xx)"}, "xx"),
        ({"exprs": "x + 1"}, "is no aggregate"),
        ({"exprs": "sum(x) + x"}, "stands outside of any aggregate"),
        ({"exprs": "sum(avg(x))"}, "an aggregate of an aggregate"),
        ({"exprs": "sum(k)"}, "sum is of numbers"),
        ({"exprs": "median(x)"}, "none of the aggregates"),
        ({"exprs": "count(*) filter (where h)"}, "is integer, and has to be true or false"),
        ({"exprs": "count(*) filter (where sum(x) > 1)"}, r"sum\(\) is not allowed"),
        ({"exprs": "max(at)"}, "is a timestamp"),
        ({"exprs": "sum("}, "cannot be read"),
        ({"window": "0s", "exprs": "sum(x)"}, "longer than nothing"),
    ],
)
def test_what_cannot_be_known_or_read_is_refused_by_its_key(
    tmp_path: Path, options: dict[str, str], says: str
) -> None:
    rows = _history(np.random.default_rng(0), 20)
    _write(tmp_path, rows, rows)
    _project(tmp_path, **({"window": "1h", "lag": "0s"} | options))  # type: ignore[arg-type]
    with pytest.raises(UsageError, match=says) as told:
        _checked(tmp_path)
    assert "features.aggregates.0" in str(told.value)


def test_a_table_of_versions_is_not_aggregated(tmp_path: Path) -> None:
    rows = _history(np.random.default_rng(0), 20)
    _write(tmp_path, rows, rows)
    _project(tmp_path, window="1h", lag="0s", exprs="sum(x)")
    text = (tmp_path / "mlops.yaml").read_text() + (
        "  join: [{table: data/raw/facts.parquet, on: [g], asof: at, known_at: by, columns: [v]}]\n"
    )
    (tmp_path / "mlops.yaml").write_text(text)
    facts = pq.read_table(tmp_path / "data/raw/facts.parquet")
    facts = facts.append_column("by", facts["at"]).append_column("v", facts["x"])
    pq.write_table(facts, tmp_path / "data/raw/facts.parquet")
    with pytest.raises(UsageError, match="would count each version"):
        _checked(tmp_path)


def test_an_expression_is_typed() -> None:
    types: dict[str, Any] = {"x": "float", "n": "integer", "s": "text"}
    assert parse_aggregate("count(*)", types).tree.type == "integer"
    assert parse_aggregate("max(s)", types).tree.type == "text"
    assert parse_aggregate("sum(n) / count(*)", types).tree.type == "float"
    assert parse_aggregate("avg(n) - min(x)", types).columns == ("n", "x")


def test_a_raw_table_gets_the_same_aggregates_as_featurize(tmp_path: Path) -> None:
    random = np.random.default_rng(5)
    facts, events = _history(random, 200), _history(random, 100)
    _write(tmp_path, facts, [e | {"at": e["at"] or BEGIN} for e in events])
    _project(tmp_path, window="3h", lag="30m")
    made = _features(tmp_path)
    project = load_project(tmp_path)
    schemas = load_schemas(project)
    layout = check_features(project.config, schemas)
    with open_engine(temporary=tmp_path / "t") as engine:
        path = tmp_path / "data/raw/events.parquet"
        sql = training_sql(engine, project, schemas, layout, path)
        raw = engine.arrow(f"select * from ({sql}) order by {ROW}").to_pylist()
    names = [f"a{i}" for i in range(len(REFERENCES))]
    assert [[r[n] for n in names] for r in raw] == [[r[n] for n in names] for r in made]
