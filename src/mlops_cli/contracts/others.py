"""The rules of a table that other tables or whole queries answer: foreign keys, queries."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from mlops_cli.contracts.conditions import is_missing
from mlops_cli.contracts.findings import BadRow, Found, Violation
from mlops_cli.contracts.model import Contract
from mlops_cli.contracts.table_rules import ForeignKey, Query
from mlops_cli.errors import UsageError
from mlops_cli.tables import open_confined
from mlops_cli.tables.base import ROW, Engine, literal, quote

if TYPE_CHECKING:
    from mlops_cli.tables.confined import Confined

_NUMBERS = ("integer", "float")
_MOMENTS = ("date", "timestamp")


@dataclass(frozen=True, slots=True)
class Table:
    """A table of the project: what reports call it, its file, its contract and that one's name."""

    table: str
    name: str
    path: Path
    contract: Contract


def hold_keys(engine: Engine, held: Table, tables: Mapping[str, Table]) -> Found:
    """The rows whose `foreign_keys` no row of the other table has.

    `tables` are all of the project, by the contract's name. Raises `UsageError` for a table that
    is not among them, a column that it lacks, and one of a type that cannot be equal.
    """
    broken, selects = list[Violation](), list[str]()
    for key in held.contract.foreign_keys:
        orphans = _orphans(engine, held, key, tables)
        count = int(engine.rows(f"select count(*) from {orphans}")[0][0])
        if not count:
            continue
        column = ", ".join(key.columns)
        expected = f"a row of {key.table} ({', '.join(key.others)})"
        broken.append(Violation(column, "foreign_key", expected, count))
        values = ", ".join(f"cast({quote(name)} as varchar)" for name in key.columns)
        shown = f"left(concat_ws(', ', {values}), 200)"
        selects.append(rejected(held.table, (column, "foreign_key"), shown, orphans))
    return Found(tuple(broken), tuple(selects))


def hold_queries(
    engine: Engine, held: Table, tables: Mapping[str, Table], temporary: Path
) -> Found:
    """What the contract's `queries` find; the folder `temporary` has to outlive what is selected.

    Raises `UsageError` for a query that may not be asked.
    """
    if not held.contract.queries:
        return Found()
    relations = {n: engine.typed(t.path, t.contract.forms) for n, t in tables.items()}
    broken, selects = list[Violation](), list[str]()
    files = [t.path for t in tables.values()]
    with open_confined(relations, files=files, temporary=temporary / "spilled") as confined:
        for query in held.contract.queries:
            rows = temporary / f"bad-{held.name}-{len(selects)}.parquet"
            if (found := _found_by(confined, query, rows)) is not None:
                broken.append(found)
            if found is not None and found.count:
                source = f"read_parquet({literal(str(rows))})"
                named = ("", query.name)
                selects.append(rejected(held.table, named, "null::varchar", source))
    return Found(tuple(broken), tuple(selects))


def rejected(table: str, rule: tuple[str, str], value: str, source: str) -> str:
    """SQL of the rows of `source` as rejected ones; `rule` is its column and name."""
    column, name = rule
    return (
        f'(select {literal(table)} as "table", {ROW} as "row", {literal(column)} as "column", '
        f"{literal(name)} as rule, {value} as value, 1000001 as place from {source})"
    )


def _orphans(engine: Engine, held: Table, key: ForeignKey, tables: Mapping[str, Table]) -> str:
    other = _other(held, key, tables)
    mine, theirs = held.contract.forms, other.contract.forms
    here = engine.typed(held.path, {name: mine[name] for name in key.columns})
    there = engine.typed(other.path, {name: theirs[name] for name in key.others})
    present = " and ".join(f"not {is_missing(n, held.contract.columns[n])}" for n in key.columns)
    same = " and ".join(
        f"here.{quote(a)} = there.{quote(b)}" for a, b in zip(key.columns, key.others, strict=True)
    )
    found = f"(select * from {here} where {present}) here anti join {there} there on {same}"
    return f"(select * from {found})"


def _other(held: Table, key: ForeignKey, tables: Mapping[str, Table]) -> Table:
    other = tables.get(key.table)
    if other is None:
        raise UsageError(
            f"the contract {held.name}: foreign_keys names the table {key.table!r}, and the "
            f"project has {', '.join(tables)[:200]}",
            hint=f"mlops.yaml: `validate: {{tables: [data/raw/{key.table}.parquet]}}` adds it",
        )
    for mine, theirs in zip(key.columns, key.others, strict=True):
        if theirs not in other.contract.columns:
            raise UsageError(
                f"the contract {held.name}: foreign_keys names the column {theirs!r}, which "
                f"{key.table} does not have",
                hint=f"it has {', '.join(other.contract.columns)[:200]}",
            )
        kinds = {held.contract.columns[mine].type, other.contract.columns[theirs].type}
        if len(kinds) > 1 and not any(kinds <= set(alike) for alike in (_NUMBERS, _MOMENTS)):
            raise UsageError(
                f"the contract {held.name}: {mine!r} is {held.contract.columns[mine].type}, and "
                f"{theirs!r} of {key.table} is {other.contract.columns[theirs].type}",
                hint="a key has one type on both sides: change it where the contract is wrong",
            )
    return other


def _found_by(confined: Confined, query: Query, rows: Path) -> Violation | None:
    """What a query breaks; the numbers of its bad rows go to the file `rows`."""
    what = f"the query {query.name!r} of the contract"
    columns = confined.columns(query.sql, what)
    if ROW in columns:
        count = confined.write(query.sql, what, f"distinct {ROW}", rows)
        return Violation("", query.name, "no row", count) if count else None
    count = confined.rows(query.sql, what, "count(*)")[0][0]
    found = (BadRow(0, f"{count} rows"),)
    return Violation("", query.name, "no row", 0, found) if count else None
