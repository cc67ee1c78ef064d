"""Every rule of a contract as a line: what it asks, of which column."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from mlops_cli.config.sections.base import format_duration
from mlops_cli.contracts.conditions import conditions
from mlops_cli.contracts.model import Contract
from mlops_cli.contracts.row_counts import expected_rows


@dataclass(frozen=True, slots=True)
class Asked:
    """A rule by the names that `Violation` has of it; `column` is empty for the table's own."""

    column: str
    rule: str
    expected: str


def rules_of(contract: Contract) -> list[Asked]:
    """Every rule, the columns' first, in the contract's order."""
    return [*_of_rows(contract), *_of_table(contract)]


def _of_rows(contract: Contract) -> Iterator[Asked]:
    for condition in conditions(contract):
        yield Asked(condition.column, condition.rule, condition.expected)
    for name, column in contract.columns.items():
        if column.outliers is not None:
            fence = f"{column.outliers.by} times {column.outliers.fence:g}"
            share = column.outliers.max_share
            yield Asked(name, "outliers", f"{fence}, but for {share:.2%}" if share else fence)
        if column.unique:
            yield Asked(name, "unique", "no second time")


def _of_table(contract: Contract) -> Iterator[Asked]:
    for key in contract.unique:
        yield Asked(", ".join(key), "unique", "no second time")
    if contract.freshness is not None:
        age = format_duration(contract.freshness.max_age)
        yield Asked(contract.freshness.column, "freshness", f"at most {age} old")
    for foreign in contract.foreign_keys:
        expected = f"a row of {foreign.table} ({', '.join(foreign.others)})"
        yield Asked(", ".join(foreign.columns), "foreign_key", expected)
    for counted in contract.row_counts:
        yield Asked(counted.column, "row_counts", expected_rows(counted))
    if (moved := contract.distribution) is not None:
        for name in moved.columns:
            yield Asked(
                name, "distribution", f"at most {moved.max_moved:.1%} of the rows elsewhere"
            )
    for query in contract.queries:
        yield Asked("", query.name, "no row")
