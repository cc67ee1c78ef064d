"""Projects whose tables have what engines may differ in: ties, nulls, NaN, zones, late rows."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from mlops_cli.config.load import load_project
from mlops_cli.config.project import Project
from mlops_cli.contracts.missing import write_missing_contracts

FEATURES = """
  columns: [x, city, n, flag]
  row:
    hour: "hour(at)"
    ratio: "x / nullif(n, 0)"
    logged: "ln(x)"
    days: "date_diff('day', seen, at)"
    upper: "upper(city)"
    both: "x + level"
  join:
    - {table: data/raw/levels.parquet, on: [city], asof: known, lag: 1h, ttl: 30d, columns: [level]}
    - {table: data/raw/fixes.parquet, on: [city], asof: known, known_at: written,
       columns: [corrected]}
    - {table: data/raw/cities.parquet, on: [city], columns: [people, region]}
    - {table: data/raw/rates.csv, asof: day, columns: [rate]}
  aggregates:
    - {name: mean_x, expr: "avg(x)",
       table: data/raw/events.parquet, by: [city], window: 7d, lag: 1s}
    - {name: most_n, expr: "max(n) - min(n)",
       table: data/raw/events.parquet, by: [city], window: 1d, lag: 1h}
    - {name: last_x, expr: "last(x)",
       table: data/raw/events.parquet, by: [city, flag], window: 3d, lag: 1s}
    - {name: kinds, expr: "count(distinct level) / count(*)",
       table: data/raw/levels.parquet, by: [city], window: 20d, asof: known}
"""
INEXACT = """
    - {name: spread, expr: "stddev(x / 3)",
       table: data/raw/events.parquet, by: [city], window: 9d, lag: 1s}
    - {name: total, expr: "sum(x / 3)",
       table: data/raw/events.parquet, by: [city], window: 9d, lag: 1s}
"""
"""Sums that depend on the order of rows of one moment, by their last digits."""


def world(folder: Path, *, rows: int = 1_200, seed: int = 0, more: str = "") -> Project:
    """A project with all kinds of features over random tables; the events in two files."""
    random = np.random.default_rng(seed)
    raw = folder / "data/raw"
    raw.mkdir(parents=True)
    pq.write_table(_events(random, rows), raw / "events.parquet", row_group_size=rows // 5)
    pq.write_table(_levels(random, rows // 4), raw / "levels.parquet")
    pq.write_table(_fixes(random, rows // 4), raw / "fixes.parquet")
    names = [*_CITIES, "Ω"]
    cities = pa.table({"city": names, "people": range(len(names)), "region": [*"aabbcd"]})
    pq.write_table(cities, raw / "cities.parquet")
    days = [f"2024-{m:02}-{d:02},{m * d / 7}" for m in range(1, 4) for d in (1, 8, 15, 22)]
    (raw / "rates.csv").write_text("\n".join(["day,rate", *days]) + "\n")
    (folder / "mlops.yaml").write_text(
        "project: p\ntask: binary\n"
        "data: {table: data/raw/events.parquet, target: y, time: at, target_known_after: 1s}\n"
        f"features:{FEATURES}{more}"
    )
    project = load_project(folder)
    write_missing_contracts(project)
    return project


_CITIES = ["Bergen", "bergen", "Kyōto", "", "São Paulo"]


def _moments(random: np.random.Generator, rows: int, zone: str | None) -> pa.Array:
    """In any order, of few enough hours that many are the same; leap day and zone changes in."""
    start = np.datetime64("2024-02-20T00:00:00", "us")
    hours = random.integers(0, 24 * 45, rows).astype("timedelta64[h]")
    return pa.array(start + hours, pa.timestamp("us", zone))


def _events(random: np.random.Generator, rows: int) -> pa.Table:
    x = random.normal(size=rows).round(1) * 8 // 1 / 8  # of which every sum is exact
    x[::11], x[5::97], x[7::89] = np.nan, np.inf, -0.0
    city = [None if c == len(_CITIES) else _CITIES[c] for c in random.integers(0, 6, rows)]
    n = random.integers(-3, 4, rows)
    seen = np.datetime64("2023-12-30") + random.integers(0, 90, rows).astype("timedelta64[D]")
    return pa.table(
        {
            "at": _moments(random, rows, "Europe/Oslo"),
            "city": pa.array(city, pa.string()),
            "x": pa.array(x, mask=random.random(rows) < 0.05),
            "n": pa.array(n, mask=random.random(rows) < 0.05),
            "flag": pa.array(random.random(rows) < 0.3, mask=random.random(rows) < 0.05),
            "seen": pa.array(seen, pa.date32()),
            "y": pa.array(random.random(rows) < 0.4, mask=random.random(rows) < 0.02),
        }
    )


def _levels(random: np.random.Generator, rows: int) -> pa.Table:
    city = [_CITIES[c] for c in random.integers(0, 4, rows)]
    return pa.table(
        {
            "city": city,
            "known": _moments(random, rows, None),
            "level": pa.array(random.integers(-20, 20, rows) / 8, mask=random.random(rows) < 0.1),
        }
    )


def _fixes(random: np.random.Generator, rows: int) -> pa.Table:
    fixes = _levels(random, rows).rename_columns(["city", "known", "corrected"])
    return fixes.append_column("written", _moments(random, rows, None))
