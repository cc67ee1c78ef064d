"""The rules of a contract that take the whole table, as queries in DuckDB's SQL of what is bad."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import timedelta

from mlops_cli.contracts.model import ColumnContract, Contract
from mlops_cli.contracts.outliers import NORMAL
from mlops_cli.contracts.table_rules import ForeignKey, RowCounts
from mlops_cli.tables.base import is_nan, quote

Naming = Callable[[str], str]


def table_queries(
    name: str, contract: Contract, *, table: Naming, keys: bool = True
) -> Iterator[tuple[str, str]]:
    """Title and SELECT of each: no row comes where the rule is kept.

    `table` tells what stands in a FROM for the table of a contract's name; without `keys` those of
    a single column are left out.
    """
    this = table(name)
    for key in contract.foreign_keys:
        if keys or len(key.columns) > 1:
            yield f"foreign key {' '.join(key.columns)}", _orphans(this, key, table(key.table))
    for counted in contract.row_counts:
        yield f"row counts {counted.column}", _counts(this, counted)
    for column, one in contract.columns.items():
        if one.outliers is not None:
            yield f"outliers {column}", _outliers(this, column, one)
    for query in contract.queries:
        sql = query.sql.strip().rstrip(";")
        yield query.name, f"with {quote(name)} as (select * from {this})\nselect * from (\n{sql}\n)"


def _orphans(this: str, key: ForeignKey, other: str) -> str:
    present = " and ".join(f"here.{quote(n)} is not null" for n in key.columns)
    pairs = zip(key.columns, key.others, strict=True)
    same = " and ".join(f"here.{quote(a)} = there.{quote(b)}" for a, b in pairs)
    return (
        f"select * from {this} as here where {present}\n"
        f"and not exists (select 1 from {other} as there where {same})"
    )


def _counts(this: str, asked: RowCounts) -> str:
    size = f"to_microseconds({asked.window // timedelta(microseconds=1)})"
    column = quote(asked.column)
    few = f"n < {asked.min} and start > low and start < high" if asked.min is not None else "false"
    gap = f"start > before + {size}" if asked.min else "false"
    many = f"n > {asked.max}" if asked.max is not None else "false"
    return (
        "select start, n from (select *, min(start) over () as low, max(start) over () as high, "
        "lag(start) over (order by start) as before\n"
        f"from (select time_bucket({size}, {column}::timestamp) as start, count(*) as n\n"
        f"from {this} where {column} is not null group by all))\n"
        f"where ({few}) or ({gap}) or ({many})"
    )


def _outliers(this: str, name: str, column: ColumnContract) -> str:
    if (asked := column.outliers) is None:
        return "select 1 where false"
    value = quote(name)
    if column.type == "float":
        value = f"(case when isfinite({value}) then {value} end)"
    low = high = f"median({value})"
    spread = f"mad({value}) * {NORMAL}"
    if asked.by == "iqr":
        low, high = (f"quantile_cont({value}, {share})" for share in (0.25, 0.75))
        spread = f"{high} - {low}"
    numbers = f"select {low} as low, {high} as high, {spread} as spread from {this}"
    cell, room = quote(name), f"{asked.fence} * spread"
    outside = f"{cell} < low - {room} or {cell} > high + {room}"
    told = f"({outside}) and not ({is_nan(cell)})" if column.type == "float" else outside
    found = f"select this.* from {this} as this, ({numbers}) where spread > 0 and ({told})"
    if not asked.max_share:
        return found
    return (
        f"select * from (select *, count(*) over () as outside from ({found}))\n"
        f"where outside > {asked.max_share} * (select count(*) from {this})"
    )
