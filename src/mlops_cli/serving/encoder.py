"""Raw events to the model's matrix: types by the manifest, features by closures, then float32."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from mlops_cli.bundle.manifest import Feature, Input, Manifest
from mlops_cli.expressions.compile import compile_tree
from mlops_cli.expressions.python_sources import PythonFault, functions_of, loaded
from mlops_cli.expressions.tree import FeatureTrees, Node
from mlops_cli.expressions.values import Converter, Refused, Value, converter
from mlops_cli.serving.column_encoder import FLOAT32_LIMIT, ColumnEncoder, codes_of
from mlops_cli.serving.exact_rows import ExactRows, Packed, packed
from mlops_cli.serving.models import Matrix
from mlops_cli.serving.requests import RequestError

_NAN = math.nan

Row = list[float]
Values = dict[str, Value | None]
Encode = Callable[[Mapping[str, Any]], float]


class RowEncoder:
    """Compiled from a bundle once; then one call an event."""

    def __init__(self, manifest: Manifest, trees: FeatureTrees) -> None:
        for function in functions_of(tree.tree for tree in trees.features):
            loaded(function)  # a server that lacks one does not start
        by_name = {tree.name: tree.tree for tree in trees.features}
        self._inputs = [_input(i) for i in manifest.inputs]
        self._features = [_feature(f, by_name[f.name]) for f in manifest.features]
        self._columns = ColumnEncoder(manifest, trees, self._features)
        self.exact = ExactRows(manifest, trees, self._features)
        self.width = len(self._features)

    def values(self, event: Mapping[str, Any], row: int | None = None) -> Values:
        """The inputs of an event, typed; a key that is missing is null, further keys are ignored.

        Raises `RequestError` (422) naming the field whose value is not of its type, or null where
        it may not be; `row` is handed through to it.
        """
        values: Values = {}
        get = event.get
        for name, nullable, exact, convert in self._inputs:
            value: Any = get(name)
            if value is not None and type(value) is not exact:
                try:
                    value = convert(value)
                except Refused as e:
                    raise RequestError(422, f"{name}: {e}", field=name, row=row) from e
            if value is None and not nullable:
                raise RequestError(422, f"{name} must not be null", field=name, row=row)
            values[name] = value
        return values

    def row(self, event: Mapping[str, Any], row: int | None = None) -> Row:
        """The features of one event in the manifest's order, each a float32 value or NaN.

        Raises `RequestError` (422) as `values`, and where a Python feature fails.
        """
        values = self.values(event, row)
        try:
            return [encode(values) for encode in self._features]
        except PythonFault as e:
            raise RequestError(422, e.message, row=row) from e

    def matrix(self, rows: Sequence[Packed]) -> Matrix:
        """Rows of features as the model's matrix, of shape (n, f)."""
        return packed(rows, self.width)

    def encode(self, events: Sequence[Mapping[str, Any]], start: int = 0) -> Matrix:
        """A list of events, of which the first is row `start`, as the model's matrix.

        Raises `RequestError` naming row and field.
        """
        matrix = self._columns.matrix(events)
        if matrix is None:
            matrix = self.matrix([self.row(event, i) for i, event in enumerate(events, start)])
        return matrix


def _input(i: Input) -> tuple[str, bool, type | None, Converter]:
    return i.name, i.nullable, *converter(i.type, i.missing, i.format)


def _feature(feature: Feature, tree: Node) -> Encode:
    if tree.op == "column":
        return _plain(feature, str(tree.value))
    compute = compile_tree(tree)
    if feature.kind == "category":
        codes = codes_of(feature)
        return lambda values: codes.get(compute(values), _NAN)
    return lambda values: _number(compute(values))


def _plain(feature: Feature, name: str) -> Encode:
    """A column as it stands needs no closure: most features are such."""
    if feature.kind == "category":
        codes = codes_of(feature).get
        return lambda values: codes(values[name], _NAN)
    return lambda values: _number(values[name])


def _number(value: Any) -> float:
    """A value as float64 that float32 can hold; null, NaN and what is beyond are missing."""
    if value is None:
        return _NAN
    number = float(value)
    return number if -FLOAT32_LIMIT < number < FLOAT32_LIMIT else _NAN
