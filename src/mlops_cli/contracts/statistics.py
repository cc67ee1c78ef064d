"""What a file holds, column by column: the figures that a first contract is inferred from."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path

from mlops_cli.errors import DataError
from mlops_cli.expressions.tree import ValueType
from mlops_cli.tables.base import SOURCE, Engine, in_groups, is_nan, literal, quote

_ISO_MOMENT = r"\d{4}-\d{2}-\d{2}[T ]\d{2}:\d{2}.*"
_CELLS = 8  # figures of a column
_GROUP = 32  # columns of one scan
_HEAD = 1000  # rows that tell which texts may be moments
_ISO_DATE = r"\d{4}-\d{2}-\d{2}"


@dataclass(frozen=True, slots=True)
class ColumnStatistics:
    """One column: `distinct` is approximate (HyperLogLog, a few percent); nulls count NaN too.

    `low` and `high` are the smallest and greatest finite value of a number, else None;
    `infinite_low` and `infinite_high` say whether infinities occur, `whole` whether every finite
    number is a whole one.
    """

    name: str
    type: ValueType
    nulls: int
    distinct: int
    low: float | None = None
    high: float | None = None
    infinite_low: bool = False
    infinite_high: bool = False
    whole: bool = False


@dataclass(frozen=True, slots=True)
class TableStatistics:
    """A file's rows and columns (those with a scalar type), in the file's order."""

    rows: int
    columns: Mapping[str, ColumnStatistics]
    skipped: tuple[str, ...]

    @property
    def types(self) -> dict[str, ValueType]:
        """Column name to value type."""
        return {name: column.type for name, column in self.columns.items()}


def read_statistics(engine: Engine, path: Path, *, times: Sequence[str] = ()) -> TableStatistics:
    """Read a file's statistics in one scan, and a second of columns that are not what they seemed.

    Text that is ISO 8601 throughout is a timestamp or a date; a column in `times` has to be.
    Raises `DataError` for a file that cannot be read or has no rows, or whose column in `times`
    holds something else.
    """
    columns = engine.columns(path)
    skipped = tuple(c.name for c in columns if not c.type)
    types: dict[str, ValueType] = {c.name: c.type for c in columns if c.type}
    if not types:
        raise DataError(f"{path.name} has no columns of plain values", hint="is it a flat table?")
    moments = _moments(engine, path, [n for n, t in types.items() if t == "text"])
    types |= moments | {name: "timestamp" for name in times if name in types}
    rows, found, uncast = _scan(engine, path, types)
    for name in times:
        if uncast.get(name):
            raise _no_time(path, name, uncast[name], rows)
    # A date that is not ISO 8601, or a whole number beyond 64 bits.
    wrong: dict[str, ValueType] = {
        n: "float" if types[n] == "integer" else "text" for n, count in uncast.items() if count
    }
    if wrong:
        found = found | _scan(engine, path, wrong)[1]
    return TableStatistics(rows, {name: found[name] for name in types}, skipped)


def _moments(engine: Engine, path: Path, texts: Sequence[str]) -> dict[str, ValueType]:
    """Text columns whose first values are ISO 8601: the scan will tell about the others."""
    if not texts:
        return {}
    forms: tuple[tuple[ValueType, str], ...] = (("timestamp", _ISO_MOMENT), ("date", _ISO_DATE))
    cells = [
        f"bool_and(regexp_full_match({quote(name)}, {literal(form)}))"
        for name in texts
        for _, form in forms
    ]
    head = f"(select * from {engine.typed(path, dict.fromkeys(texts, 'text'))} limit {_HEAD})"
    fits = iter(engine.rows(f"select {', '.join(cells)} from {head}")[0])
    found: dict[str, ValueType] = {}
    for name in texts:
        for kind, _ in forms:
            if next(fits):
                found[name] = kind
    return found


def _scan(
    engine: Engine, path: Path, types: Mapping[str, ValueType]
) -> tuple[int, dict[str, ColumnStatistics], dict[str, int]]:
    """The number of rows, the columns, and how many values of each cannot be cast."""
    rows, found, uncast = 0, dict[str, ColumnStatistics](), dict[str, int]()
    for group in in_groups(list(types.items()), _GROUP):
        rows, columns, wrong = _scan_group(engine, path, dict(group))
        found |= columns
        uncast |= wrong
    return rows, found, uncast


def _scan_group(
    engine: Engine, path: Path, types: Mapping[str, ValueType]
) -> tuple[int, dict[str, ColumnStatistics], dict[str, int]]:
    cells = ["count(*)"]
    for name, kind in types.items():
        cells += _cells(name, kind)
    relation = engine.typed_with_source(path, types)
    rows, *values = engine.rows(f"select {', '.join(cells)} from {relation}")[0]
    if not rows:
        raise DataError(f"{path.name} has no rows", hint="a table needs at least a header and rows")
    found: dict[str, ColumnStatistics] = {}
    uncast: dict[str, int] = {}
    for i, (name, kind) in enumerate(types.items()):
        nulls, distinct, low, high, *rest, uncast[name] = values[_CELLS * i : _CELLS * (i + 1)]
        found[name] = ColumnStatistics(
            name, kind, nulls, distinct, _finite(low), _finite(high), *rest
        )
    return rows, found, uncast


def _cells(name: str, kind: ValueType) -> list[str]:
    # No FILTER: DuckDB holds a copy of all columns for each, which is quadratic in the columns.
    typed, source = quote(name), quote(SOURCE + name)
    missing = f"{typed} is null or {is_nan(typed)}" if kind == "float" else f"{typed} is null"
    low = high = "null"
    infinite_low = infinite_high = "0"
    whole = "true" if kind == "integer" else "false"
    if kind in ("integer", "float"):
        finite = f"case when isfinite({typed}) then {typed} end" if kind == "float" else typed
        low, high = f"min({finite})", f"max({finite})"
    if kind == "float":
        infinite_low = f"count_if({typed} = '-inf'::double)"
        infinite_high = f"count_if({typed} = 'inf'::double)"
        whole = f"bool_and({finite} = trunc({finite}))"
    return [
        f"count_if({missing})",
        f"approx_count_distinct({typed})",
        low,
        high,
        f"{infinite_low} > 0",
        f"{infinite_high} > 0",
        f"coalesce({whole}, false)",
        f"count_if({typed} is null and {source} is not null)",
    ]


def _no_time(path: Path, name: str, wrong: int, rows: int) -> DataError:
    return DataError(
        f"the column {name!r} of {path.name} is to be a time, but {wrong} of its {rows} values "
        "are not ISO 8601",
        hint="write times as 2013-01-31T05:00:00Z, or name another column",
    )


def _finite(value: float | date | None) -> float | None:
    if not isinstance(value, int | float) or not math.isfinite(value):
        return None
    return value
