"""Compile a feature's tree to a Python closure over one row; nothing of its text is executed."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import date, datetime
from functools import partial
from typing import Any

from mlops_cli.errors import BundleError
from mlops_cli.expressions.kernels import KERNELS, Kernel
from mlops_cli.expressions.python_calls import PythonCall
from mlops_cli.expressions.python_sources import OP
from mlops_cli.expressions.text import like
from mlops_cli.expressions.tree import Node

Row = Mapping[str, Any]
Compute = Callable[[Row], Any]


def compile_tree(node: Node) -> Compute:
    """A function from a row (name to bool, int, float, str, date, naive datetime or None) to the
    tree's value, None where that is null.

    It never raises: what cannot be computed is None, as in DuckDB's rendering of the same tree. But
    a tree with a Python function does, `PythonFault`, and finds the function by its first row.
    Raises `BundleError` for an operation that is not of the closed set.
    """
    if node.op == "column":
        return _column(str(node.value))
    if node.op == "literal":
        value = _constant(node)
        return lambda row: value
    args = [compile_tree(arg) for arg in node.args]
    if (special := _SPECIAL.get(node.op)) is not None and _has_arity(node):
        return special(node, args)
    return _strict(_kernel(node), args)


def _has_arity(node: Node) -> bool:
    count = len(node.args)
    if node.op == "case":
        return count >= 3 and count % 2 == 1
    wanted = _ARITY.get(node.op)
    return count >= 1 if wanted is None else count == wanted


def _column(name: str) -> Compute:
    return lambda row: row.get(name)


def _constant(node: Node) -> Any:
    if node.value is None:
        return None
    if node.type == "date":
        return date.fromisoformat(str(node.value))
    if node.type == "timestamp":
        return datetime.fromisoformat(str(node.value))
    return float(node.value) if node.type == "float" else node.value


def _kernel(node: Node) -> Kernel:
    first = node.args[0].type if node.args else ""
    kernel = KERNELS.get(f"{node.op} {first}") or KERNELS.get(node.op)
    if kernel is None or not 1 <= len(node.args) <= 3:
        raise BundleError(
            f"features.json: this release knows no operation {node.op!r} of {first or 'nothing'}",
            hint="install the release of mlops-cli that wrote the bundle, or train again",
        )
    return kernel


def _strict(kernel: Kernel, args: Sequence[Compute]) -> Compute:
    """Null in, null out."""
    if len(args) == 1:
        return _unary(kernel, args[0])
    if len(args) == 2:
        return _binary(kernel, args[0], args[1])
    a, b, c = args

    def ternary(row: Row) -> Any:
        if (x := a(row)) is None or (y := b(row)) is None or (z := c(row)) is None:
            return None
        return kernel(x, y, z)

    return ternary


def _unary(kernel: Kernel, a: Compute) -> Compute:
    def unary(row: Row) -> Any:
        x = a(row)
        return None if x is None else kernel(x)

    return unary


def _binary(kernel: Kernel, a: Compute, b: Compute) -> Compute:
    def binary(row: Row) -> Any:
        if (x := a(row)) is None or (y := b(row)) is None:
            return None
        return kernel(x, y)

    return binary


def _and(node: Node, args: Sequence[Compute]) -> Compute:
    a, b = args

    def both(row: Row) -> bool | None:
        x, y = a(row), b(row)
        if x is False or y is False:
            return False
        return None if x is None or y is None else True

    return both


def _or(node: Node, args: Sequence[Compute]) -> Compute:
    a, b = args

    def either(row: Row) -> bool | None:
        x, y = a(row), b(row)
        if x is True or y is True:
            return True
        return None if x is None or y is None else False

    return either


def _is_null(node: Node, args: Sequence[Compute]) -> Compute:
    a = args[0]
    return lambda row: a(row) is None


def _compare(name: str, node: Node) -> Kernel:
    return KERNELS.get(f"{name} {node.args[0].type}") or KERNELS[name]


def _is_not_distinct(node: Node, args: Sequence[Compute]) -> Compute:
    (a, b), equal = args, _compare("eq", node)

    def same(row: Row) -> bool:
        x, y = a(row), b(row)
        if x is None or y is None:
            return x is None and y is None
        return bool(equal(x, y))

    return same


def _is_distinct(node: Node, args: Sequence[Compute]) -> Compute:
    same = _is_not_distinct(node, args)
    return lambda row: not same(row)


def _between(node: Node, args: Sequence[Compute]) -> Compute:
    at_least = _binary(_compare("ge", node), args[0], args[1])
    at_most = _binary(_compare("le", node), args[0], args[2])
    return _and(node, [at_least, at_most])


def _in(node: Node, args: Sequence[Compute]) -> Compute:
    a, choices, equal = args[0], args[1:], _compare("eq", node)

    def among(row: Row) -> bool | None:
        if (x := a(row)) is None:
            return None
        values = [choice(row) for choice in choices]
        if any(v is not None and equal(x, v) for v in values):
            return True
        return None if None in values else False

    return among


def _coalesce(node: Node, args: Sequence[Compute]) -> Compute:
    def first(row: Row) -> Any:
        for arg in args:
            if (x := arg(row)) is not None:
                return x
        return None

    return first


def _nullif(node: Node, args: Sequence[Compute]) -> Compute:
    (a, b), equal = args, _compare("eq", node)

    def unless(row: Row) -> Any:
        x, y = a(row), b(row)
        return None if x is not None and y is not None and equal(x, y) else x

    return unless


def _extreme(name: str) -> Callable[[Node, Sequence[Compute]], Compute]:
    def compiled(node: Node, args: Sequence[Compute]) -> Compute:
        beats = _compare(name, node)

        def extreme(row: Row) -> Any:
            best = None
            for arg in args:
                x = arg(row)
                if x is not None and (best is None or beats(x, best)):
                    best = x
            return best

        return extreme

    return compiled


def _case(node: Node, args: Sequence[Compute]) -> Compute:
    branches = list(zip(args[:-1:2], args[1::2], strict=True))
    default = args[-1]

    def choose(row: Row) -> Any:
        for when, then in branches:
            if when(row):
                return then(row)
        return default(row)

    return choose


def _concat(node: Node, args: Sequence[Compute]) -> Compute:
    return lambda row: "".join(x for arg in args if (x := arg(row)) is not None)


def _like(node: Node, args: Sequence[Compute]) -> Compute:
    pattern = node.args[1].value
    if node.args[1].op != "literal":
        raise BundleError("features.json: the pattern of `like` is no literal")
    if pattern is None:
        return lambda row: None
    return _unary(partial(like, pattern=str(pattern)), args[0])


def _python(node: Node, args: Sequence[Compute]) -> Compute:
    call = PythonCall(node)
    return lambda row: call(*[arg(row) for arg in args])


_SPECIAL: dict[str, Callable[[Node, Sequence[Compute]], Compute]] = {
    "and": _and,
    "or": _or,
    "is_null": _is_null,
    "is_distinct": _is_distinct,
    "is_not_distinct": _is_not_distinct,
    "between": _between,
    "in": _in,
    "coalesce": _coalesce,
    "nullif": _nullif,
    "least": _extreme("lt"),
    "greatest": _extreme("gt"),
    "case": _case,
    "concat": _concat,
    "like": _like,
    OP: _python,
}
_ARITY = {
    "and": 2,
    "or": 2,
    "is_null": 1,
    "is_distinct": 2,
    "is_not_distinct": 2,
    "between": 3,
    "nullif": 2,
    "like": 2,
}
