"""What breaks a contract, as SQL conditions on one row of `Engine.typed_with_source`."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from mlops_cli.contracts.model import ColumnContract, Contract, Rule, parse_moment
from mlops_cli.tables.base import SOURCE, is_nan, literal, quote

SHOWN = 200  # characters of a value that a report shows


@dataclass(frozen=True, slots=True)
class Condition:
    """`sql` is true for a row that breaks `rule` of `column` (no column: a rule of the table).

    `value` is SQL for the text to show of such a row, `expected` what the contract says.
    """

    column: str
    rule: str
    expected: str
    sql: str
    value: str


def conditions(contract: Contract) -> list[Condition]:
    """Every rule of the contract that one row can break, in the contract's order."""
    found = [c for name, column in contract.columns.items() for c in _of_column(name, column)]
    for rule in contract.rules:
        # An expression that fails on a row (an overflow, say) is null there, and null passes.
        broken = f"coalesce(not try({rule.expr}), false)"
        found.append(Condition("", rule.name, rule.expr, broken, "null::varchar"))
    return found


def columns_read(rule: Rule, names: Iterable[str]) -> tuple[str, ...]:
    """Which of the columns `names` a rule reads, by its text; SQL does not heed their case.

    One that only a text constant of the rule names is among them, too.
    """
    text = rule.expr.replace('""', '"')
    return tuple(n for n in names if re.search(rf"(?<!\w){re.escape(n)}(?!\w)", text, re.I))


def is_missing(name: str, column: ColumnContract) -> str:
    """SQL: there is no value to judge; a NaN is none."""
    typed = quote(name)
    if column.type == "float":
        return f"({typed} is null or {is_nan(typed)})"
    return f"({typed} is null)"


def shown_value(name: str) -> str:
    """SQL: a value as the file has it, cut to what a report shows."""
    return f"left(cast({quote(SOURCE + name)} as varchar), {SHOWN})"


def _of_column(name: str, column: ColumnContract) -> Iterator[Condition]:
    typed, source = quote(name), quote(SOURCE + name)
    value = shown_value(name)
    uncast = f"{typed} is null and {source} is not null"
    yield Condition(name, "type", column.type, uncast, value)
    if not column.nullable:
        absent = f"{is_missing(name, column)} and not ({uncast})"
        yield Condition(name, "null", "a value", absent, value)
    present = f"not {is_missing(name, column)} and "
    if outside := _outside(typed, column):
        yield Condition(name, "range", _range(column), f"{present}({outside})", value)
    if column.categories is not None:
        listed = ", ".join(_constant(c, column) for c in column.categories)
        expected = f"one of {len(column.categories)} categories"
        yield Condition(name, "categories", expected, f"{present}{typed} not in ({listed})", value)
    if column.pattern is not None:
        matches = f"regexp_full_match({typed}, {literal(column.pattern)})"
        yield Condition(name, "pattern", column.pattern, f"{present}not {matches}", value)


def _outside(typed: str, column: ColumnContract) -> str:
    bounds = (("<", column.min), (">", column.max))
    return " or ".join(
        f"{typed} {sign} {_constant(bound, column)}" for sign, bound in bounds if bound is not None
    )


def _range(column: ColumnContract) -> str:
    if column.max is None:
        return f"at least {column.min}"
    return f"at most {column.max}" if column.min is None else f"{column.min} to {column.max}"


def _constant(value: float | str, column: ColumnContract) -> str:
    if column.type in ("date", "timestamp"):
        return f"timestamp {literal(parse_moment(str(value)).isoformat(sep=' '))}"
    if isinstance(value, str):
        return literal(value)
    return str(value) if isinstance(value, int) else f"{literal(repr(value))}::double"
