"""What a file's statistics prove is what a scan counts; what they leave open is scanned."""

from __future__ import annotations

import math
import random
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from mlops_cli.contracts.conditions import conditions
from mlops_cli.contracts.counting import Asked, Counted, count_rows
from mlops_cli.contracts.model import Contract
from mlops_cli.contracts.proven import count_what_is_open
from mlops_cli.tables import open_engine
from mlops_cli.tables.base import Engine

MOMENT = datetime(2013, 1, 1)
_ARROW = {
    "i": pa.int64(), "small": pa.int16(), "unsigned": pa.uint64(), "f": pa.float64(),
    "f32": pa.float32(), "b": pa.bool_(), "d": pa.date32(), "at": pa.timestamp("us"),
    "ns": pa.timestamp("ns"), "s": pa.string(), "money": pa.decimal128(9, 2),
}  # fmt: skip


def _table(draw: random.Random, rows: int) -> pa.Table:
    """Values on and around the bounds of `_contract`; half of the columns keep within them."""
    wild = {name: draw.random() < 0.5 for name in _ARROW}
    holes = {name: draw.random() < 0.5 for name in _ARROW}
    numbers = [0, 1, 5, 9]
    tame: dict[str, list[Any]] = {
        "i": numbers, "small": numbers, "unsigned": numbers, "f": [0.0, -0.0, 1.5, 9.0],
        "f32": [0.5, 1.5, 9.0], "b": [True, False],
        "d": [date(2013, 1, 1), date(2013, 1, 31)], "at": [MOMENT, MOMENT + timedelta(days=30)],
        "ns": [MOMENT], "s": ["a", "b"], "money": [1, 2],
    }  # fmt: skip
    more: dict[str, list[Any]] = {
        "i": [-1, 10, 2**62], "small": [-1, 10], "unsigned": [10, 2**64 - 1],
        "f": [math.nan, math.inf, -math.inf, 9.000000001], "f32": [math.nan, 9.1, 0.1],
        "d": [date(2013, 2, 1)], "at": [MOMENT - timedelta(microseconds=1)],
        "ns": [MOMENT - timedelta(microseconds=1)], "s": ["", "NA", "c"], "money": [10],
    }  # fmt: skip

    def cell(name: str) -> Any:
        if holes[name] and draw.random() < 0.2:
            return None
        return draw.choice(tame[name] + (more.get(name, []) if wild[name] else []))

    columns = {n: pa.array([cell(n) for _ in range(rows)], kind) for n, kind in _ARROW.items()}
    return pa.table(columns)


def _contract(draw: random.Random) -> Contract:
    moments = {"min": "2013-01-01T00:00:00", "max": "2013-01-31T00:00:00"}
    columns: dict[str, dict[str, Any]] = {
        "i": {"type": draw.choice(["integer", "float"]), "min": 0, "max": 9},
        "small": {"type": "integer", "min": 0},
        "unsigned": {"type": "integer", "max": 9},
        "f": {"type": draw.choice(["float", "integer"]), "min": 0, "max": 9},
        "f32": {"type": "float", "min": 0.1, "max": 9.1},
        "b": {"type": "boolean"},
        "d": {"type": draw.choice(["date", "timestamp"]), **moments},
        "at": {"type": draw.choice(["timestamp", "timestamp", "date"]), **moments},
        "ns": {"type": "timestamp", **moments},
        "s": {"type": "text", "categories": ["a", "b"]},
        "money": {"type": "float", "min": 0, "max": 9},
    }
    for column in columns.values():
        column["nullable"] = draw.random() < 0.5
    rules = [{"name": "both", "expr": "i >= small"}] if draw.random() < 0.3 else []
    return Contract.model_validate({"columns": columns, "rules": rules})


@pytest.mark.parametrize("seed", range(12))
def test_statistics_and_a_scan_agree(tmp_path: Path, seed: int) -> None:
    draw = random.Random(seed)
    path, parts = tmp_path / "t.parquet", draw.choice([1, 1, 3])
    tables = [_table(draw, draw.choice([0, 1, 40, 3000])) for _ in range(parts)]
    if parts > 1:
        path = tmp_path / "t"
        path.mkdir()
        if draw.random() < 0.5:  # a part that lacks a column
            tables[1] = tables[1].drop_columns(["i"])
    for n, table in enumerate(tables):
        file = path / f"{n:06d}.parquet" if parts > 1 else path
        pq.write_table(table, file, row_group_size=1000)
    contract = _contract(draw)
    time = draw.choice([None, "at", "ns", "d"])
    with open_engine() as engine:
        asked = Asked(conditions(contract), time, draw.choice([None, time]))
        wanted = count_rows(engine, path, contract, asked)
        assert count_what_is_open(engine, path, contract, asked, count_rows) == wanted


def _scanned(path: Path, contract: dict[str, Any], **table: Any) -> list[str]:
    """The rules that a scan was asked for, as column and rule."""
    pq.write_table(pa.table(table), path)
    asked: list[str] = []

    def count(engine: Engine, path: Path, contract: Contract, of: Asked) -> Counted:
        asked.extend(f"{c.column}.{c.rule}" for c in of.checks)
        return count_rows(engine, path, contract, of)

    made = Contract.model_validate({"columns": contract})
    with open_engine() as engine:
        count_what_is_open(engine, path, made, Asked(conditions(made), None, None), count)
    return asked


def test_what_is_within_its_bounds_is_not_read_again(tmp_path: Path) -> None:
    contract = {"a": {"type": "integer", "min": 0, "max": 9}, "s": {"type": "text", "pattern": "x"}}
    path = tmp_path / "t.parquet"
    assert "a.range" not in _scanned(path, contract, a=[0, 9], s=["x", "x"])
    assert [r for r in _scanned(path, contract, a=[0, 10], s=["x", "y"]) if "range" in r or
            "pattern" in r] == ["a.range", "s.pattern"]  # fmt: skip
    assert _scanned(path, {"a": contract["a"]}, a=[3, 4]) == []
    # A NaN is missing, and no statistics count it.
    assert "f.null" in _scanned(path, {"f": {"type": "float"}}, f=[1.0, math.nan])
