"""A first contract from a file: strict about types, generous about values.

A contract is to catch what is broken (a column gone, a unit changed, a sentinel such as -9999),
not what is new: that is drift's part. So the rules are

- type: as the file has it; text that is ISO 8601 throughout becomes a timestamp or a date;
- missing, format: words for a missing value in a column of text, and how dates are written that
  are not ISO 8601, where the values say so (see `forms`);
- nullable: where a null or NaN was found, or an infinity, which a model takes as missing and a
  request can only say as null;
- min and max: those of the thing where the name says what it is and the values agree (a month,
  an hour, a latitude, a percentage). Otherwise ten times as far from zero as the values go,
  rounded outward to one digit. The minimum is 0 where no value is below it, unless the name says
  that one may be (a temperature, a balance, a change: the winter after one summer). Negative
  values, and those, keep to their sign where they touch zero, where they are whole numbers that
  come near it, and where they vary little for their size (the depth of a sea), which also brings
  the other bound nearer, but not below twice the farthest value: what counts up goes on. None for
  a constant, and no maximum for a key. A 0 and 1 that say no and yes stay so, and a number such as
  -999 that stands for a missing value is itself the bound: the others make the rest of the range;
- categories: of text with at most 50 values, each of which occurs at least five times, so that
  an unseen one is unlikely (Good and Turing estimate its probability by the share of values
  seen once);
- unique: text and integers of at least a thousand rows, all different.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from mlops_cli.contracts.model import ColumnContract, Contract
from mlops_cli.contracts.statistics import ColumnStatistics, TableStatistics, read_statistics
from mlops_cli.contracts.unusual import find_flags, find_sentinels
from mlops_cli.tables.base import Engine, quote

MANY_CATEGORIES = 50
SEEN_OFTEN = 5
ROWS_OF_A_KEY = 1000
WIDER = 10
PERCENT = 100
# A column's name without signs, the range, and whether the numbers must be whole.
NATURAL = tuple(
    (re.compile(name), ends, whole)
    for name, ends, whole in (
        (r"month", (1, 12), True),
        (r"day|dayofmonth", (1, 31), True),
        (r"dayofyear|doy", (1, 366), True),
        (r"weekday|dayofweek|dow", (0, 7), True),
        (r"quarter", (1, 4), True),
        (r"(birth|built|model)?year|year(of)?(birth|built)|yob|yrbuilt", (1900, 2100), True),
        (r"hour|hourofday", (0, 23), True),
        (r"minute|second", (0, 59), True),
        (r"lat|latitude", (-90, 90), False),
        (r"lon|lng|longitude", (-180, 180), False),
        (r".*(percent|pct|percentage)|humid|humidity|relhumidity", (0, PERCENT), False),
        (r".*(share|fraction|probability)", (0, 1), False),
    )
)
SIGNED = re.compile(
    r".*(temp|celsius|fahrenheit|dewp|windchill|balance|profit|margin|gain|loss|return|change|delta"
    r"|diff|growth|trend|deviation|error|residual|offset|delay|log|zscore|altitude|elevation).*"
)
"""What may be negative although no value of a file is, by a column's name without signs."""
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
    ranges = _ranges(engine, path, table, keys)
    columns = {
        name: ColumnContract(
            type=column.type,
            nullable=column.nulls > 0 or column.infinite_low or column.infinite_high,
            **ranges[name],
            categories=categories.get(name),
            unique=name in keys,
            missing=table.forms[name].missing,
            format=table.forms[name].format,
        )
        for name, column in table.columns.items()
    }
    return Contract(columns=columns), table


def _ranges(
    engine: Engine, path: Path, table: TableStatistics, keys: set[str]
) -> dict[str, dict[str, float | None]]:
    names = {_plain(name) for name in table.columns}
    sentinels = tuple(find_sentinels(engine, path, table))
    usual = dict(table.columns)
    for one in sentinels:
        column = usual[one.name]
        below = one.value < 0
        usual[one.name] = replace(column, low=one.near) if below else replace(column, high=one.near)
    found = {name: _range(column, names, key=name in keys) for name, column in usual.items()}
    found |= {name: {"min": 0, "max": 1} for name in find_flags(engine, path, table)}
    for one in sentinels:
        end, farther = ("min", min) if one.value < 0 else ("max", max)
        bound = found[one.name][end]
        found[one.name][end] = None if bound is None else farther(bound, int(one.value))
    return found


def _range(column: ColumnStatistics, names: set[str], *, key: bool) -> dict[str, float | None]:
    low, high = column.low, column.high
    if low is None or high is None or low == high:
        return {"min": None, "max": None}
    finite = not (column.infinite_low or column.infinite_high)
    if finite and (natural := _natural(column, names, low, high)):
        return {"min": natural[0], "max": natural[1]}
    above = _upper(low, high, column.whole)
    below = 0.0 if _counts_from_zero(column, low) else -_upper(-high, -low, column.whole)
    return {
        "min": None if column.infinite_low else _bound(below, column),
        "max": None if column.infinite_high or key else _bound(above, column),
    }


def _natural(
    column: ColumnStatistics, names: set[str], low: float, high: float
) -> tuple[int, int] | None:
    """The range of the thing that the column's name says it is, where all values lie in it."""
    name = _plain(column.name)
    if name == "day" and "month" not in names:
        return None  # it may count on
    for pattern, (least, most), whole in NATURAL:
        if pattern.fullmatch(name) and least <= low and high <= most and column.whole >= whole:
            return None if most == PERCENT and high <= 1 else (least, most)
    return None


def _counts_from_zero(column: ColumnStatistics, low: float) -> bool:
    return low >= 0 and not SIGNED.fullmatch(_plain(column.name))


def _plain(name: str) -> str:
    return re.sub(r"[^a-z0-9]", "", name.lower())


def _upper(low: float, high: float, whole: bool) -> float:
    """How high values may go that went from `low` to `high`, before it is rounded."""
    if high == 0 or (whole and high < 0 and -high <= max(1, -low / WIDER)):
        return 0.0
    room = WIDER * (high - low)
    if high < 0:
        return min(high + room, -WIDER * low) if high + room > 0 else 0.0
    if low <= max(0.0, high / WIDER if whole else 0.0):
        return WIDER * max(high, -low)
    return max(2 * high, min(WIDER * high, high + room))


def _bound(value: float, column: ColumnStatistics) -> float | None:
    if not math.isfinite(value):
        return None
    if value == 0:
        return 0
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
