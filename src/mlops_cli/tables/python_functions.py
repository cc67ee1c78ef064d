"""Python features in DuckDB: a function of a batch of rows, which the SQL calls by a name."""

from __future__ import annotations

import hashlib
import inspect
import re
import threading
from collections.abc import Callable, Sequence
from typing import Any

import msgspec
import pyarrow as pa

from mlops_cli.expressions.python_calls import PythonCall, is_same
from mlops_cli.expressions.python_sources import PythonFault
from mlops_cli.expressions.tree import Node, ValueType

PREFIX = "__python__"
SAMPLE = 256  # rows of a connection that are computed twice
_CALL = re.compile(re.escape(PREFIX) + r"[0-9a-f]{32}(?=\()")
_SQL: dict[ValueType, str] = {
    "boolean": "BOOLEAN",
    "integer": "BIGINT",
    "float": "DOUBLE",
    "text": "VARCHAR",
    "date": "DATE",
    "timestamp": "TIMESTAMP",
}
_ARROW: dict[ValueType, Callable[[], pa.DataType]] = {
    "boolean": pa.bool_,
    "integer": pa.int64,
    "float": pa.float64,
    "text": pa.string,
}
_nodes: dict[str, Node] = {}


def named(node: Node) -> str:
    """The name by which SQL calls the function of a node; what it is given is rows and arguments.

    The first argument is the row's number, for a fault to name; it may be null.
    """
    name = PREFIX + hashlib.sha256(msgspec.json.encode(node)).hexdigest()[:32]
    _nodes[name] = node
    return name


class PythonFunctions:
    """What one DuckDB has of Python features: a function is made known when SQL first calls it.

    DuckDB's `try` would take a null for an error, so a fault is kept, and raised by `check`; from
    then on every row is null.
    """

    def __init__(self) -> None:
        self._made: set[str] = set()
        self._lock = threading.Lock()
        self._fault: PythonFault | None = None

    def have(self, session: Any, sql: str) -> None:
        """Make known what `sql` calls; raises what `PythonCall.ready` raises."""
        if PREFIX not in sql:
            return
        with self._lock:
            for name in sorted(set(_CALL.findall(sql)) - self._made):
                self._make(session, name)

    def check(self) -> None:
        """Raise the first fault, once."""
        fault, self._fault = self._fault, None
        if fault is not None:
            raise fault

    def _make(self, session: Any, name: str) -> None:
        node = _nodes[name]
        given = ["BIGINT", *(_SQL[arg.type] for arg in node.args)]
        session.create_function(
            name,
            self._of_batches(node),
            given,
            _SQL[node.type],
            type="arrow",
            null_handling="special",
            side_effects=False,
        )
        self._made.add(name)

    def _of_batches(self, node: Node) -> Callable[..., pa.Array]:
        call, again = PythonCall(node), PythonCall(node, fresh=True)
        call.ready()
        again.ready()
        kind, left = _ARROW[node.type](), SAMPLE

        def batch(rows: Any, *columns: Any) -> pa.Array:
            nonlocal left
            if self._fault is not None:
                return pa.nulls(len(rows), kind)
            numbers = rows.to_pylist()
            values = list(zip(*(column.to_pylist() for column in columns), strict=True))
            try:
                made = [call(*row, row=n) for row, n in zip(values, numbers, strict=True)]
                if left > 0:
                    _compare(again, values[:left], made)
                    left -= len(values)
            except PythonFault as e:
                self._fault = e
                return pa.nulls(len(rows), kind)
            return pa.array(made, kind)

        # DuckDB counts arguments by the signature, and takes `*columns` for one.
        names = ["rows", *(f"column_{i}" for i in range(len(node.args)))]
        by_place = inspect.Parameter.POSITIONAL_ONLY
        signature = inspect.Signature([inspect.Parameter(name, by_place) for name in names])
        vars(batch)["__signature__"] = signature
        return batch


def _compare(again: PythonCall, values: Sequence[tuple[Any, ...]], made: Sequence[Any]) -> None:
    """Compute rows once more, from the last to the first, by the file run anew.

    Raises `PythonFault` where that is another value.
    """
    for row, value in reversed(list(zip(values, made, strict=False))):
        try:
            second = again(*row)
        except PythonFault as e:
            raise again.impure(row, value, None) from e
        if not is_same(second, value):
            raise again.impure(row, value, second)
