"""What breaks a contract, as SQL conditions on one row of `Engine.typed_with_source`."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import msgspec

from mlops_cli.contracts.model import ColumnContract, Contract, Rule, parse_moment
from mlops_cli.errors import UsageError
from mlops_cli.tables.base import SOURCE, Engine, is_nan, literal, quote

SHOWN = 200  # characters of a value that a report shows


@dataclass(frozen=True, slots=True)
class Condition:
    """`sql` is true for a row that breaks `rule` of `column` (no column: a rule of the table).

    `value` is SQL for the text to show of such a row, `expected` what the contract says, `allowed`
    the share of the rows that may be such.
    """

    column: str
    rule: str
    expected: str
    sql: str
    value: str
    allowed: float = 0.0


def conditions(contract: Contract) -> list[Condition]:
    """Every rule of the contract that one row can break, in the contract's order."""
    found = [c for name, column in contract.columns.items() for c in _of_column(name, column)]
    for rule in contract.rules:
        # An expression that fails on a row (an overflow, say) is null there, and null passes.
        broken = f"coalesce(not try({rule.expr}), false)"
        found.append(Condition("", rule.name, rule.expr, broken, "null::varchar"))
    return found


def check_condition(engine: Engine, rule: Rule) -> None:
    """Raise `UsageError` for what is more than one expression over the columns of a row.

    DuckDB's own parser tells: a second statement, a table, a query within the expression.
    """
    said = "json_serialize_sql($sql::varchar)"
    parsed = engine.rows(f"select {said}", {"sql": f"select (\n{rule.expr}\n)"})[0][0]
    tree: Any = msgspec.json.decode(parsed)
    if tree["error"]:
        broken = tree.get("error_message", "it is no expression")
    elif _is_one(tree["statements"]):
        return
    else:
        broken = "it is more than one expression over the columns of a row"
    raise UsageError(
        f"the rule {rule.name!r} of the contract: {' '.join(str(broken).split())[:300]}",
        hint="a rule is a condition on the columns of one row, such as arr >= dep; what takes "
        "other rows or tables is one of `queries`",
    )


def _is_one(statements: Any) -> bool:
    if len(statements) != 1:
        return False
    node = statements[0]["node"]
    items = node.get("select_list", ())
    alone = len(items) == 1 and node["from_table"]["type"] == "EMPTY"
    clauses = ("where_clause", "having", "qualify", "sample")
    return alone and not any(node[c] for c in clauses) and not _has_query(items)


def _has_query(tree: Any) -> bool:
    if isinstance(tree, dict):
        return tree.get("class") == "SUBQUERY" or any(map(_has_query, tree.values()))
    return isinstance(tree, list | tuple) and any(map(_has_query, tree))


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
