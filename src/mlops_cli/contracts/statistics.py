"""What a file holds, column by column: the figures that a first contract is inferred from."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path

from mlops_cli.bundle.expressions import ValueType
from mlops_cli.errors import DataError
from mlops_cli.tables.base import SOURCE, Engine, literal, quote

_ISO_MOMENT = r"\d{4}-\d{2}-\d{2}[T ]\d{2}:\d{2}.*"
_CELLS = 10  # figures of a column
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
    """Read a file's statistics in one scan, and a second where types had to be mended.

    Text that is ISO 8601 throughout is a timestamp or a date; a column in `times` has to be.
    Raises `DataError` for a file that cannot be read or has no rows, or whose column in `times`
    holds something else.
    """
    columns = engine.columns(path)
    sniffed: dict[str, ValueType] = {c.name: c.type for c in columns if c.type}
    skipped = tuple(c.name for c in columns if not c.type)
    if not sniffed:
        raise DataError(f"{path.name} has no columns of plain values", hint="is it a flat table?")
    found = _scan(engine, path, sniffed)
    mended = {n: t for n in sniffed if (t := _mended(n, sniffed[n], found, n in times))}
    if mended:
        found = _scan(engine, path, sniffed | mended)
        if wrong := [n for n in mended if found.uncast[n]]:
            mended = {n: "text" for n in wrong if n not in times}
            for name in (n for n in wrong if n in times):
                raise _no_time(path, name, found)
            found = _scan(engine, path, sniffed | mended)
    return TableStatistics(found.rows, found.columns, skipped)


@dataclass(frozen=True, slots=True)
class _Scan:
    rows: int
    columns: dict[str, ColumnStatistics]
    uncast: dict[str, int]
    iso_moments: dict[str, int]
    iso_dates: dict[str, int]


def _scan(engine: Engine, path: Path, types: Mapping[str, ValueType]) -> _Scan:
    cells = ["count(*)"]
    for name, kind in types.items():
        cells += _cells(name, kind)
    relation = engine.typed_with_source(path, types)
    rows, *values = engine.rows(f"select {', '.join(cells)} from {relation}")[0]
    if not rows:
        raise DataError(f"{path.name} has no rows", hint="a table needs at least a header and rows")
    scan = _Scan(rows, {}, {}, {}, {})
    for i, (name, kind) in enumerate(types.items()):
        part = values[_CELLS * i : _CELLS * (i + 1)]
        scan.columns[name] = ColumnStatistics(
            name, kind, *part[:2], *map(_finite, part[2:4]), *part[4:7]
        )
        scan.uncast[name], scan.iso_moments[name], scan.iso_dates[name] = part[7:]
    return scan


def _cells(name: str, kind: ValueType) -> list[str]:
    typed, source = quote(name), quote(SOURCE + name)
    missing = f"{typed} is null or isnan({typed})" if kind == "float" else f"{typed} is null"
    low = high = "null"
    infinite_low = infinite_high = iso_moments = iso_dates = "0"
    whole = "true" if kind == "integer" else "false"
    if kind in ("integer", "float"):
        finite = f" filter (where isfinite({typed}))" if kind == "float" else ""
        low, high = f"min({typed}){finite}", f"max({typed}){finite}"
    if kind == "float":
        infinite_low = f"count(*) filter (where {typed} = '-inf'::double)"
        infinite_high = f"count(*) filter (where {typed} = 'inf'::double)"
        whole = f"bool_and({typed} = trunc({typed})){finite}"
    if kind == "text":
        iso_moments = f"count(*) filter (where regexp_full_match({typed}, {literal(_ISO_MOMENT)}))"
        iso_dates = f"count(*) filter (where regexp_full_match({typed}, {literal(_ISO_DATE)}))"
    return [
        f"count(*) filter (where {missing})",
        f"approx_count_distinct({typed})",
        low,
        high,
        f"{infinite_low} > 0",
        f"{infinite_high} > 0",
        f"coalesce({whole}, false)",
        f"count(*) filter (where {typed} is null and {source} is not null)",
        iso_moments,
        iso_dates,
    ]


def _mended(name: str, kind: ValueType, found: _Scan, is_time: bool) -> ValueType | None:
    present = found.rows - found.columns[name].nulls
    if is_time and kind != "timestamp":
        return "timestamp"
    if found.uncast[name]:  # a date that is not ISO 8601, or a whole number beyond 64 bits
        return "float" if kind == "integer" else "text"
    if present and found.iso_moments[name] == present:
        return "timestamp"
    if present and found.iso_dates[name] == present:
        return "date"
    return None


def _no_time(path: Path, name: str, found: _Scan) -> DataError:
    return DataError(
        f"the column {name!r} of {path.name} is to be a time, but {found.uncast[name]} of its "
        f"{found.rows} values are not ISO 8601",
        hint="write times as 2013-01-31T05:00:00Z, or name another column",
    )


def _finite(value: float | date | None) -> float | None:
    if not isinstance(value, int | float) or not math.isfinite(value):
        return None
    return value
