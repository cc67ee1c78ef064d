"""Rules that the statistics of a Parquet file prove: what they say of all rows is not read again.

A file's bounds decide `range` where both lie within the rule's, its count of nulls `null`, and a
native type that every value of fits the contract's decides `type`. What they leave open is counted.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

from mlops_cli.contracts.conditions import Condition
from mlops_cli.contracts.counting import Asked, Count, Counted, count_rows
from mlops_cli.contracts.model import ColumnContract, Contract, parse_moment
from mlops_cli.expressions.tree import ValueType
from mlops_cli.tables.base import SOURCE, Engine, quote
from mlops_cli.tables.parquet_statistics import ColumnBounds, read_bounds

_RULES = ("type", "null", "range")
_FITS: Mapping[ValueType, tuple[str, ...]] = {  # the native types whose every value is of a type
    "integer": ("BIGINT", "INTEGER", "SMALLINT", "TINYINT", "UINTEGER", "USMALLINT", "UTINYINT"),
    "float": ("DOUBLE", "FLOAT"),
    "timestamp": ("TIMESTAMP",),
    "date": ("DATE",),
    "boolean": ("BOOLEAN",),
    "text": ("VARCHAR",),
}
_FEW = 2  # bytes of a text in its pages: up to here it is a number in a short dictionary


def count_what_is_open(
    engine: Engine, path: Path, contract: Contract, asked: Asked, count: Count
) -> Counted:
    """What is asked of the rows: from the file's statistics, and by `count` what they leave open.

    Texts that occur again and again are judged once each.
    """
    held = _held(engine, path, contract, asked)
    if not held:
        return count(engine, path, contract, asked)
    timing = [name for name in (asked.timed, asked.ordered_by) if name]
    broken = {c: 0 for c in asked.checks if c.column in held
              and _holds(c.rule, contract.columns[c.column], held[c.column])}  # fmt: skip
    if count is count_rows:
        for name in (n for n, bounds in held.items() if _has_few(bounds)):
            of_it = [c for c in asked.checks if c.column == name and c not in broken]
            broken |= zip(of_it, _by_value(engine, path, contract, name, of_it), strict=True)
    left = [c for c in asked.checks if c not in broken]
    known = all(name in held and held[name].told for name in timing)
    if left or not known:
        times = (None, None) if known else (asked.timed, asked.ordered_by)
        found = count(engine, path, contract, Asked(left, *times))
    else:
        found = Counted(next(iter(held.values())).rows, None, 0, ())
    broken |= zip(left, found.broken, strict=True)
    newest, timeless = _times(held, asked) if known else (found.newest, found.timeless)
    return Counted(found.rows, newest, timeless, tuple(broken[c] for c in asked.checks))


def _held(engine: Engine, path: Path, contract: Contract, asked: Asked) -> dict[str, ColumnBounds]:
    """The columns whose native type fits the contract's."""
    names = dict.fromkeys([*(c.column for c in asked.checks), asked.timed, asked.ordered_by])
    known = [name for name in names if name in contract.columns]
    found = read_bounds(engine, path, known)
    return {n: b for n, b in found.items() if b.native in _FITS[contract.columns[n].type]}


def _has_few(bounds: ColumnBounds) -> bool:
    return bounds.native == "VARCHAR" and 0 < bounds.bytes <= _FEW * bounds.rows


def _by_value(
    engine: Engine, path: Path, contract: Contract, name: str, checks: Sequence[Condition]
) -> Sequence[int]:
    """How many rows break each check of one column, whose values are judged once each."""
    if not checks:
        return ()
    relation = engine.typed_with_source(path, {name: contract.columns[name].form})
    kept = ", ".join(map(quote, (name, SOURCE + name)))
    cells = ", ".join(f"coalesce(sum(n) filter (where {c.sql}), 0)" for c in checks)
    (row,) = engine.rows(
        f"select {cells} from (select {kept}, count(*) as n from {relation} group by {kept})"
    )
    return [int(n) for n in row]


def _holds(rule: str, column: ColumnContract, bounds: ColumnBounds) -> bool:
    if rule == "type":
        return column.format is None
    if rule not in _RULES or column.type == "text":  # a word may stand for a missing one
        return False
    if rule == "null":  # a NaN is missing, too, and nobody counts it
        return bounds.nulls == 0 and column.type != "float"
    if not bounds.told:
        return False
    if bounds.low is None or bounds.high is None:
        return True
    least, most = (_bound(b, column) for b in (column.min, column.max))
    low, high = _comparable(bounds.low, column), _comparable(bounds.high, column)
    return (least is None or low >= least) and (most is None or high <= most)


def _bound(value: object, column: ColumnContract) -> Any:
    if value is None or column.type not in ("date", "timestamp"):
        return value
    return parse_moment(str(value))


def _comparable(value: Any, column: ColumnContract) -> Any:
    return float(value) if column.type == "float" else value


def _times(held: Mapping[str, ColumnBounds], asked: Asked) -> tuple[datetime | None, int]:
    newest = held[asked.timed].high if asked.timed else None
    timeless = held[asked.ordered_by].nulls if asked.ordered_by else 0
    return (newest if isinstance(newest, datetime) else None), timeless
