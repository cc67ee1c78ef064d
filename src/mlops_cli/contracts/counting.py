"""How many rows break each check: one aggregate scan of a table."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date, datetime, time
from pathlib import Path
from typing import TypeAlias

from mlops_cli.contracts.conditions import Condition
from mlops_cli.contracts.model import Contract
from mlops_cli.tables.base import Engine, in_groups, quote

_GROUP = 128  # checks of one scan


@dataclass(frozen=True, slots=True)
class Asked:
    """What to count: the rows that break each check, the newest of one column, nulls of another."""

    checks: Sequence[Condition]
    timed: str | None
    ordered_by: str | None


@dataclass(frozen=True, slots=True)
class Counted:
    """What was asked of all rows, or of some; `broken` has a number for each check."""

    rows: int
    newest: datetime | None
    timeless: int
    broken: tuple[int, ...]


Count: TypeAlias = Callable[[Engine, Path, Contract, Asked], Counted]


def count_rows(engine: Engine, path: Path, contract: Contract, asked: Asked) -> Counted:
    """Count in one scan for each group of checks."""
    timed, ordered_by = asked.timed, asked.ordered_by
    groups = list(in_groups(asked.checks, _GROUP)) or [asked.checks]
    timing = [name for name in (timed, ordered_by) if name]
    parts = engine.rows_of_each(
        [
            _aggregate(_of_columns(engine, path, contract, g, timing), g, timed, ordered_by)
            for g in groups
        ]
    )
    rows, newest, timeless, *_ = parts[0][0]
    broken = tuple(count or 0 for (part,) in parts for count in part[3:])  # null: no rows
    return Counted(rows, _as_datetime(newest), timeless, broken)


def _of_columns(
    engine: Engine, path: Path, contract: Contract, checks: Sequence[Condition], also: Sequence[str]
) -> str:
    """The relation of the columns that the checks look at; a rule may look at any."""
    names = {c.column for c in checks}
    forms = contract.forms
    if names <= forms.keys():
        forms = {n: f for n, f in forms.items() if n in names or n in also}
    return engine.typed_with_source(path, forms)


def _aggregate(
    relation: str, checks: Sequence[Condition], timed: str | None, ordered_by: str | None
) -> str:
    # How many rows are bad at all is asked only where some are: it costs as much as the rest.
    flags = [f"{c.sql} as bad_{i}" for i, c in enumerate(checks)]
    cells = ["count(*)", f"max({quote(timed)})" if timed else "null"]
    cells.append(f"count_if({quote(ordered_by)} is null)" if ordered_by else "0")
    cells += [f"count_if(bad_{i})" for i in range(len(checks))]
    inner = ", ".join([*flags, *(quote(n) for n in {timed: 0, ordered_by: 0} if n)])
    return f"select {', '.join(cells)} from (select {inner} from {relation})"


def _as_datetime(value: date | None) -> datetime | None:
    if value is None or isinstance(value, datetime):
        return value
    return datetime.combine(value, time())
