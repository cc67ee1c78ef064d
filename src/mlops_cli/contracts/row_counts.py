"""How many rows each window of time has: days that are missing, days that came twice."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, timedelta
from pathlib import Path

from mlops_cli.config.sections.base import format_duration
from mlops_cli.contracts.findings import EXAMPLES, BadRow, Found, Violation
from mlops_cli.contracts.model import Contract
from mlops_cli.contracts.table_rules import RowCounts
from mlops_cli.tables.base import Engine, quote


def hold_counts(engine: Engine, path: Path, contract: Contract) -> Found:
    """The windows with fewer or more rows than `row_counts` says; those without a row, too."""
    return Found(tuple(_broken(engine, path, contract)))


def _broken(engine: Engine, path: Path, contract: Contract) -> Iterator[Violation]:
    for asked in contract.row_counts:
        relation = engine.typed(path, {asked.column: contract.columns[asked.column].form})
        said = [*_outside(engine, relation, asked), *_empty(engine, relation, asked)]
        if said:
            first = [BadRow(0, text) for _, text in sorted(said)[:EXAMPLES]]
            more = len(said) - EXAMPLES
            first += [BadRow(0, f"{more} more")] if more > 0 else []
            yield Violation(asked.column, "row_counts", expected_rows(asked), 0, tuple(first))


def _outside(engine: Engine, relation: str, asked: RowCounts) -> Iterator[tuple[date, str]]:
    few = f"n < {asked.min} and start > low and start < high" if asked.min is not None else "false"
    many = f"n > {asked.max}" if asked.max is not None else "false"
    for at, rows in engine.rows(
        "select start, n from (select *, min(start) over () as low, max(start) over () as high "
        f"from {_counted(relation, asked)}) where ({few}) or ({many}) order by start"
    ):
        yield at, f"{at}: {rows} rows"


def _empty(engine: Engine, relation: str, asked: RowCounts) -> Iterator[tuple[date, str]]:
    """Gaps between windows: what has no row is no group that could be counted."""
    if not asked.min:
        return
    for at, until, windows in engine.rows(
        f"select before + {_interval(asked)} as first, start, "
        f"(epoch_us(start) - epoch_us(before)) // {_microseconds(asked)} - 1 from (select start, "
        f"lag(start) over (order by start) as before from {_counted(relation, asked)}) "
        f"where start > before + {_interval(asked)} order by first"
    ):
        last = until - asked.window
        yield at, f"{at}: 0 rows" if windows == 1 else f"{at} to {last}: {windows} without a row"


def _counted(relation: str, asked: RowCounts) -> str:
    column = quote(asked.column)
    bucket = f"time_bucket({_interval(asked)}, {column}::timestamp)"
    there = f"from {relation} where {column} is not null group by all"
    return f"(select {bucket} as start, count(*) as n {there})"


def _interval(asked: RowCounts) -> str:
    return f"to_microseconds({_microseconds(asked)})"


def _microseconds(asked: RowCounts) -> int:
    return asked.window // timedelta(microseconds=1)


def expected_rows(asked: RowCounts) -> str:
    """The rule in words."""
    if asked.max is None:
        bounds = f"at least {asked.min}"
    else:
        bounds = f"at most {asked.max}" if asked.min is None else f"{asked.min} to {asked.max}"
    return f"{bounds} rows in each {format_duration(asked.window)}"
