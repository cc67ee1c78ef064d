"""Render a tree to DuckDB's SQL, so that it computes in exactly the declared types."""

from __future__ import annotations

import re
from collections.abc import Sequence

from mlops_cli.errors import UsageError
from mlops_cli.expressions.python_sources import OP
from mlops_cli.expressions.tree import Node, ValueType
from mlops_cli.features.operations import OPERATIONS, Overload
from mlops_cli.tables.base import literal, quote
from mlops_cli.tables.python_functions import named

SQL_TYPES: dict[ValueType, str] = {
    "boolean": "boolean",
    "integer": "bigint",
    "float": "double",
    "text": "varchar",
    "date": "date",
    "timestamp": "timestamp",
}
_PLACE = re.compile(r"\$(\d|args|rest)")


def render(node: Node, *, row: str = "null") -> str:
    """The SQL of a tree over a relation whose columns have their contract's types.

    `row` is SQL of the row's number, by which a fault of a Python function names it.
    Raises `UsageError` for an operation that is not of the closed set.
    """
    if node.op == "column":
        return quote(str(node.value))
    if node.op == "literal":
        return f"cast({_constant(node.value)} as {SQL_TYPES[node.type]})"
    args = [render(arg, row=row) for arg in node.args]
    if node.op == OP:
        return f"{named(node)}({', '.join([f'cast({row} as bigint)', *args])})"
    if node.op == "case" and len(args) >= 3 and len(args) % 2 == 1:
        return _case(args)
    return _filled(_overload_of(node).sql, args)


def render_feature(node: Node, *, row: str = "null") -> str:
    """The SQL of a feature's value as `data/features.parquet` holds it: FLOAT, or VARCHAR for text.

    Numbers go through DOUBLE; what FLOAT cannot hold is null. `row` is that of `render`.
    """
    sql = render(node, row=row)
    return sql if node.type == "text" else f"try(cast(cast({sql} as double) as float))"


def _overload_of(node: Node) -> Overload:
    types = tuple(arg.type for arg in node.args)
    for overload in OPERATIONS.get(node.op, ()):
        if _fits(overload, types, node.type):
            return overload
    raise UsageError(f"there is no operation {node.op}({', '.join(types)}) of type {node.type}")


def _fits(overload: Overload, types: Sequence[ValueType], result: ValueType) -> bool:
    slots = overload.slots(len(types))
    if slots is None:
        return False
    pairs = [*zip(slots, types, strict=True), (overload.result, result)]
    of_any = {found for slot, found in pairs if slot == "any"}
    return len(of_any) <= 1 and all(slot in ("any", found) for slot, found in pairs)


def _filled(sql: str, args: Sequence[str]) -> str:
    whole = {"args": ", ".join(args), "rest": ", ".join(args[1:])}
    return _PLACE.sub(lambda m: whole[m[1]] if m[1] in whole else args[int(m[1])], sql)


def _case(args: Sequence[str]) -> str:
    whens = [f"when {when} then {then}" for when, then in zip(args[:-1:2], args[1::2], strict=True)]
    return f"(case {' '.join(whens)} else {args[-1]} end)"


def _constant(value: bool | int | float | str | None) -> str:
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "true" if value else "false"
    # As text, so that no literal passes through DECIMAL or HUGEINT on its way.
    return literal(value if isinstance(value, str) else repr(value))
