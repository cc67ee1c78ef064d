"""A first contract from a file: strict about types, generous about values.

A contract is to catch what is broken (a column gone, a unit changed, a sentinel such as -9999),
not what is new: that is drift's part. So the rules are

- type: as the file has it; text that is ISO 8601 throughout becomes a timestamp or a date;
- missing, format: words for a missing value in a column of text, and how dates are written that
  are not ISO 8601, where the values say so (see `forms`);
- nullable: where a null or NaN was found, or an infinity, which a model takes as missing and a
  request can only say as null;
- min and max: ten times as far from zero as the farthest value, rounded outward to one digit.
  Zero is a bound of its own for columns that stay on one side of it: where the values touch it,
  and where they are whole numbers that come near it (counts, months, distances; not the
  temperatures of one summer). None for a constant;
- categories: of text with at most 50 values, each of which occurs at least five times, so that
  an unseen one is unlikely (Good and Turing estimate its probability by the share of values
  seen once);
- unique: text and integers of at least a thousand rows, all different.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path

from mlops_cli.contracts.model import ColumnContract, Contract
from mlops_cli.contracts.statistics import ColumnStatistics, TableStatistics, read_statistics
from mlops_cli.tables.base import Engine, quote

MANY_CATEGORIES = 50
SEEN_OFTEN = 5
ROWS_OF_A_KEY = 1000
WIDER = 10
_INT64 = 2**63 - 1


def infer_contract(
    engine: Engine,
    path: Path,
    *,
    times: Sequence[str] = (),
    formats: Mapping[str, str] | None = None,
) -> tuple[Contract, TableStatistics]:
    """A contract that the file keeps, and the figures that it was inferred from.

    Columns named in `times` become timestamps; `formats` are those of dates, by column.
    Raises `DataError` as `read_statistics` does.
    """
    table = read_statistics(engine, path, times=times, formats=formats)
    categories = _categories(engine, path, table)
    keys = _keys(table)
    columns = {
        name: ColumnContract(
            type=column.type,
            nullable=column.nulls > 0 or column.infinite_low or column.infinite_high,
            min=_low(column),
            max=_high(column),
            categories=categories.get(name),
            unique=name in keys,
            missing=table.forms[name].missing,
            format=table.forms[name].format,
        )
        for name, column in table.columns.items()
    }
    return Contract(columns=columns), table


def _low(column: ColumnStatistics) -> float | None:
    low, high = column.low, column.high
    if low is None or high is None or low == high or column.infinite_low:
        return None
    if _stops_at_zero(low, high, column.whole):
        return 0
    return _bound(-max(abs(low), abs(high)) * WIDER, column)


def _high(column: ColumnStatistics) -> float | None:
    low, high = column.low, column.high
    if low is None or high is None or low == high or column.infinite_high:
        return None
    if _stops_at_zero(-high, -low, column.whole):
        return 0
    return _bound(max(abs(low), abs(high)) * WIDER, column)


def _stops_at_zero(low: float, high: float, whole: bool) -> bool:
    return low == 0 or (whole and 0 < low <= max(1, high / 10))


def _bound(value: float, column: ColumnStatistics) -> float | None:
    if not math.isfinite(value):
        return None
    unit = 10.0 ** math.floor(math.log10(abs(value)))
    rounded = math.copysign(math.ceil(abs(value) / unit) * unit, value)
    if abs(rounded) > _INT64:
        return None if column.type == "integer" else rounded
    return int(rounded) if rounded == int(rounded) else float(f"{rounded:.1g}")


def _categories(engine: Engine, path: Path, table: TableStatistics) -> dict[str, tuple[str, ...]]:
    few = [
        name
        for name, column in table.columns.items()
        if column.type == "text" and 0 < column.distinct <= 2 * MANY_CATEGORIES
    ]
    if not few:
        return {}
    relation = engine.typed(path, {name: table.forms[name] for name in few})
    lists = ", ".join(f"histogram({quote(name)})" for name in few)
    counted = zip(few, engine.rows(f"select {lists} from {relation}")[0], strict=True)
    return {
        name: tuple(sorted(counts))
        for name, counts in counted
        if counts and len(counts) <= MANY_CATEGORIES and min(counts.values()) >= SEEN_OFTEN
    }


def _keys(table: TableStatistics) -> set[str]:
    if table.rows < ROWS_OF_A_KEY:
        return set()
    return {
        name
        for name, c in table.columns.items()
        if c.type in ("text", "integer") and c.distinct == table.rows
    }
