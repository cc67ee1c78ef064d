"""Narrow events, a table of levels that change, and projects that join one to the other."""

from __future__ import annotations

import json
import os
from pathlib import Path

import duckdb

from benchmarks.data import table

KEYS_OF = 500  # events of one key
_EVENTS = """select i as id, (hash(i) % {keys})::integer as k,
  timestamp '2024-01-01' + to_microseconds((i * (31536000000000 // {rows}))::bigint) as at,
  (hash(i + 1) % 1000)::double / 8 as x, (hash(i + 2) % 2)::integer as y
from range({rows}) t(i)"""
_LEVELS = """select (hash(i + 3) % {keys})::integer as k,
  timestamp '2024-01-01' + to_microseconds((i * (31536000000000 // {rows}))::bigint) as at,
  (hash(i + 4) % 1000)::double / 8 as level
from range({rows}) t(i)"""
_CONTRACTS = {
    "events": "columns:\n  id: {type: integer}\n  k: {type: integer}\n  at: {type: timestamp}\n"
    "  x: {type: float}\n  y: {type: integer}\n",
    "levels": "columns:\n  k: {type: integer}\n  at: {type: timestamp}\n  level: {type: float}\n",
}
_TABLE = "data/raw/levels.parquet"
AGGREGATES = {
    "mean_week": ("avg(level)", "7d"),
    "most_month": ("max(level)", "30d"),
    "count_day": ("count(*)", "24h"),
    "total_week": ("sum(level)", "7d"),
}


def events_project(work: Path, rows: int, **engine: str) -> Path:
    """A project of so many events, with a join and four windows of a tenth as many levels."""
    root = work / f"events_{rows}{''.join(f'_{k}_{v}' for k, v in engine.items())}"
    raw = root / "data/raw"
    if not raw.exists():
        keys = max(1, rows // KEYS_OF)
        made = {"events": _EVENTS.format(rows=rows, keys=keys),
                "levels": _LEVELS.format(rows=rows // 10, keys=keys)}  # fmt: skip
        raw.mkdir(parents=True)
        (root / "contracts").mkdir()
        for name, sql in made.items():
            os.link(table(work, f"{name}_of_{rows}", sql), raw / f"{name}.parquet")
            (root / f"contracts/{name}.yaml").write_text(_CONTRACTS[name], encoding="utf-8")
    aggregates = [
        {"name": name, "expr": expr, "table": _TABLE, "by": ["k"], "window": window, "lag": "1h"}
        for name, (expr, window) in AGGREGATES.items()
    ]
    join = {"table": _TABLE, "on": ["k"], "asof": "at", "lag": "1h", "columns": ["level"]}
    config = {
        "project": "events",
        "task": "binary",
        "data": {"table": "data/raw/events.parquet", "target": "y", "time": "at"},
        "features": {"columns": ["x"], "join": [join], "aggregates": aggregates},
        "engine": engine,
    }
    (root / "mlops.yaml").write_text(json.dumps(config), encoding="utf-8")
    return root


def sums(file: Path, time: str) -> list[float]:
    """What two tables of these features have to agree on."""
    names = ["x", "level", *AGGREGATES]
    each = ", ".join(f"count({name}), sum({name})" for name in names)
    with duckdb.connect() as connection:
        found = connection.execute(f"select count(*), max({time}), {each} from '{file}'").fetchall()
    return [*map(float, (v for v in found[0] if not hasattr(v, "year")))]
