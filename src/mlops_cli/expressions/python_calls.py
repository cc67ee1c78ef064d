"""A Python feature of one row: its function is called, and what it gives is held to its type."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

from mlops_cli.expressions.python_sources import (
    PythonFault,
    function_of,
    hidden,
    load,
    loaded,
    told,
)
from mlops_cli.expressions.tree import Node, ValueType, columns_of
from mlops_cli.expressions.values import BIGINT

_KINDS: dict[ValueType, type] = {"boolean": bool, "integer": int, "float": float, "text": str}
_SHOWN = 60


class PythonCall:
    """What a node computes of the values of its arguments; `fresh` runs the function's file anew.

    The function is found by the first call, or by `ready`.
    """

    def __init__(self, node: Node, *, fresh: bool = False) -> None:
        self.reference = function_of(node)
        self.type = node.type
        self._args = node.args
        self._exact = _KINDS.get(node.type)
        self._find = load if fresh else loaded
        self._function: Callable[..., Any] | None = None

    def ready(self) -> None:
        """Find the function; raises what `load` raises."""
        self._ready()

    def _ready(self) -> Callable[..., Any]:
        if self._function is None:
            self._function = self._find(self.reference)
        return self._function

    def __call__(self, *values: Any, row: int | None = None) -> Any:
        """A value of the node's type, or None.

        Raises `PythonFault` for a function that raises, and for a value of another type; it names
        the `row` where that is known.
        """
        function = self._function or self._ready()
        try:
            value = function(*values)
        except (Exception, SystemExit) as e:
            raise self._raised(e, values, row) from e
        kind = type(value)
        if value is None or (kind is self._exact and kind is not int and kind is not str):
            return value
        return self._held(value, values, row)

    def impure(self, values: Sequence[Any], first: Any, second: Any) -> PythonFault:
        """That the function gave two values of the same arguments."""
        said = f"is not pure: it gave {_told(first)} and then {_told(second)}"
        if self._hides():
            said = "is not pure: it gave two values of the same row"
        fault = self._fault(said, values, None)
        hint = "a feature follows from its arguments alone: no clock, no chance, no state"
        return PythonFault(fault.message, hint=hint)

    def _held(self, value: Any, values: Sequence[Any], row: int | None) -> Any:
        """The value as its type has it: an int is a float, NumPy's are Python's."""
        if type(value).__module__ == "numpy" and hasattr(value, "item"):
            value = value.item()
        if self.type == "float" and type(value) is int:
            try:
                return float(value)
            except OverflowError:
                return math.inf if value > 0 else -math.inf
        if isinstance(value, float) and self.type == "float":
            return float(value)
        kind: type = type(value)
        if kind is not self._exact:
            raise self._other(value, values, row)
        if self.type == "integer" and not -BIGINT <= value < BIGINT:
            raise self._fault("gave a whole number beyond 64 bits", values, row)
        if self.type == "text" and not _is_text(value):
            raise self._fault("gave a text that is no Unicode", values, row)
        return value

    def _other(self, value: Any, values: Sequence[Any], row: int | None) -> PythonFault:
        """That a value is of another type than the function's."""
        kind = type(value).__name__
        said = kind if self._hides() else f"{_told(value)} ({kind})"
        wanted = self._exact.__name__ if self._exact else self.type
        fault = self._fault(f"gave {said}, and has to give {wanted} or None", values, row)
        known = kind in [found.__name__ for found in _KINDS.values()]
        hint = f"declare `-> {kind}`" if known else "give float, int, bool, str or None"
        return PythonFault(fault.message, hint=f"{hint}, or {fault.hint}")

    def _hides(self) -> bool:
        """Whether an argument is made of what no fault shows."""
        return any(map(_is_hidden, self._args))

    def _raised(self, e: BaseException, values: Sequence[Any], row: int | None) -> PythonFault:
        said = told(e, self.reference.path, words=not self._hides())  # they may hold a value
        return self._fault(f"raised {said}", values, row)

    def _fault(self, what: str, values: Sequence[Any], row: int | None) -> PythonFault:
        where = f" at row {row} (the first is 0)" if row is not None else ""
        hint = f"fix the function in {self.reference.path}"
        if any(value is None for value in values):
            hint += "; a missing value is None"
        given = ", ".join(map(_argument, self._args, values))
        return PythonFault(f"{self.reference.shown} {what}{where}, given {given}", hint=hint)


def is_same(a: Any, b: Any) -> bool:
    """Whether two results of a function are one: NaN is itself."""
    return (a is None) == (b is None) and (a == b or (a != a and b != b))


def _argument(node: Node, value: Any) -> str:
    name = str(node.value) if node.op == "column" else "an expression"
    if _is_hidden(node):
        return f"{name} (not shown)"
    return f"{name}={_told(value)}"


def _is_hidden(node: Node) -> bool:
    return not hidden().isdisjoint(columns_of(node)) if hidden() else False


def _told(value: Any) -> str:
    try:
        return repr(value)[:_SHOWN]
    except Exception:  # noqa: BLE001  of a class of the user's
        return type(value).__name__


def _is_text(value: str) -> bool:
    try:
        value.encode()
    except UnicodeEncodeError:
        return False
    return True
