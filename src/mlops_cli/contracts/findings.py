"""What is found of a table that is held to its contract: broken rules, bad rows, examples."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from mlops_cli.tables.base import Engine

EXAMPLES = 5  # rows that a report names for each broken rule


@dataclass(frozen=True, slots=True)
class BadRow:
    """A row that breaks a rule: its number in the file, from 0, and its value as text."""

    row: int
    value: str | None


@dataclass(frozen=True, slots=True)
class Violation:
    """A broken rule; `column` is empty for a rule of the table, `count` is of rows.

    A structural violation (`missing`, `extra`), `freshness`, `row_counts`, `distribution` and a
    query that names no rows are no matter of single rows: their count is 0, and the values of
    `first` say what was found.
    """

    column: str
    rule: str
    expected: str
    count: int
    first: tuple[BadRow, ...] = ()


@dataclass(frozen=True, slots=True)
class TableReport:
    """One table against its contract; `bad_share` is of its rows.

    `without_consent` are the rows that may not be used for `data.purpose`, None where the contract
    asks for no consent.
    """

    table: str
    contract: str
    rows: int
    bad_rows: int
    bad_share: float
    newest: str | None
    violations: tuple[Violation, ...]
    without_consent: int | None = None


@dataclass(frozen=True, slots=True)
class Findings:
    """What a scan found; `newest` is the newest value of the column that freshness looks at.

    `timeless` counts the rows without a time, which no split can place. `rows_sql` selects every
    bad row with its reason, where there is one.
    """

    rows: int
    bad_rows: int
    violations: tuple[Violation, ...]
    newest: datetime | None = None
    timeless: int = 0
    rows_sql: str | None = None


@dataclass(frozen=True, slots=True)
class Found:
    """What a part of the rules found: broken ones, and SQL of the rows that break them.

    A violation of single rows has a select of its own or with others, none has one beside that.
    """

    violations: tuple[Violation, ...] = ()
    selects: tuple[str, ...] = ()
    remarks: tuple[str, ...] = ()


def joined(engine: Engine, found: Findings, more: Found) -> Findings:
    """The findings with more violations; bad rows are counted once, whatever they break."""
    violations = [*found.violations, *more.violations]
    if not more.selects:
        return replace(found, violations=tuple(violations))
    selects = [found.rows_sql] if found.rows_sql else []
    sql = f"({' union all '.join(f'select * from {s}' for s in (*selects, *more.selects))})"
    return replace(
        found,
        bad_rows=bad_rows(engine, sql),
        violations=(*found.violations, *with_examples(engine, more.violations, sql)),
        rows_sql=sql,
    )


def bad_rows(engine: Engine, sql: str | None) -> int:
    """How many rows `sql` names, each once."""
    if sql is None:
        return 0
    return int(engine.rows(f'select count(distinct "row") from {sql}')[0][0])


def with_examples(engine: Engine, found: Sequence[Violation], sql: str) -> list[Violation]:
    """The violations with the first rows that break each; those of no single row as they are."""
    firsts = engine.rows(
        f'select "column", rule, "row", value from {sql} qualify '
        f'row_number() over (partition by "column", rule order by "row") <= {EXAMPLES} '
        f'order by "row"'
    )
    examples: dict[tuple[str, str], list[BadRow]] = {}
    for column, rule, row, value in firsts:
        examples.setdefault((column, rule), []).append(BadRow(row, value))
    return [
        replace(v, first=tuple(examples.get((v.column, v.rule), ()))) if v.count else v
        for v in found
    ]
