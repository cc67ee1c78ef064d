"""Many events to the model's matrix a column at a time: the bits of `RowEncoder`, sooner."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from mlops_cli.bundle.manifest import Feature, Input, Manifest
from mlops_cli.expressions.tree import FeatureTrees, Node, columns_of
from mlops_cli.expressions.values import BIGINT, Refused, converter, missing_words
from mlops_cli.serving.list_reader import Columns
from mlops_cli.serving.models import Matrix

# From here on a float64 rounds to an infinite float32: the largest float32 and half a step more.
FLOAT32_LIMIT = float(np.finfo(np.float32).max) + 2.0**103
FEW = 16  # events below which the rows are sooner done than the columns

Events = Sequence[Mapping[str, Any]]
Column = Sequence[Any]
_Numbers = npt.NDArray[np.float64]
_NONE = type(None)
NUMBERS = ("boolean", "integer", "float")  # types of inputs
_EXACT = {"boolean": bool, "integer": int, "float": float, "text": str}


class ColumnEncoder:
    """Compiled from a bundle once; `features` are those of a row, which computed ones need."""

    def __init__(
        self,
        manifest: Manifest,
        trees: FeatureTrees,
        features: Sequence[Callable[[Mapping[str, Any]], float]],
    ) -> None:
        inputs = {i.name: i for i in manifest.inputs}
        nodes = {tree.name: tree.tree for tree in trees.features}
        self._inputs = [(name, _reader(i)) for name, i in inputs.items()]
        self._features = [
            _feature(feature, nodes[feature.name], inputs, of_row)
            for feature, of_row in zip(manifest.features, features, strict=True)
        ]

    def matrix(self, events: Events) -> Matrix | None:
        """The matrix, of shape (n, f); None where a value is refused, or there are few events.

        The rows one at a time say which it is.
        """
        if len(events) < FEW:
            return None
        try:
            columns = {name: read([e.get(name) for e in events]) for name, read in self._inputs}
            matrix = np.empty((len(events), len(self._features)), np.float32)
            for j, encode in enumerate(self._features):
                matrix[:, j] = encode(columns, len(events))
        except Refused:
            return None
        return matrix


def _reader(i: Input) -> Callable[[Column], Column]:
    """Makes the raw values of an input typed ones; raises `Refused` as the encoder of rows does."""
    exact, words = _EXACT.get(i.type), frozenset(missing_words(i.type, i.missing))
    _, convert = converter(i.type, i.missing, i.format)

    def as_it_stands(column: Column, kinds: set[type]) -> bool:
        if not kinds <= {exact, _NONE}:
            return False
        if exact is int:
            values = column if _NONE not in kinds else [v for v in column if v is not None]
            return min(values, default=0) >= -BIGINT and max(values, default=0) < BIGINT
        return exact is not str or words.isdisjoint(column)

    def read(column: Column) -> Column:
        kinds = set(map(type, column))
        if not as_it_stands(column, kinds):
            column = [None if v is None else convert(v) for v in column]
            kinds = set(map(type, column))
        if _NONE in kinds and not i.nullable:
            raise Refused("must not be null")
        return column

    return read


def _feature(
    feature: Feature,
    tree: Node,
    inputs: Mapping[str, Input],
    of_row: Callable[[Mapping[str, Any]], float],
) -> Callable[[Columns, int], _Numbers | list[float]]:
    names = list(columns_of(tree))
    if tree.op != "column" or (feature.kind == "numeric" and inputs[names[0]].type not in NUMBERS):
        return lambda columns, n: [of_row(row) for row in _rows(columns, names, n)]
    name = names[0]
    if feature.kind == "category":
        codes = codes_of(feature).get
        return lambda columns, _: _array([codes(v) for v in columns[name]])
    return lambda columns, _: _numbers(columns[name])


def _rows(columns: Columns, names: Sequence[str], n: int) -> Iterator[Mapping[str, Any]]:
    if not names:
        return iter([{}] * n)
    found = zip(*(columns[name] for name in names), strict=True)
    return (dict(zip(names, row, strict=True)) for row in found)


def codes_of(feature: Feature) -> dict[object, float]:
    """The number that each text of a category is."""
    return {text: float(i) for i, text in enumerate(feature.categories or ())}


def _array(column: Column) -> _Numbers:
    return np.array(column, np.float64)  # None is NaN


def _numbers(column: Column) -> _Numbers:
    numbers = _array(column)
    return np.where(np.abs(numbers) < FLOAT32_LIMIT, numbers, np.nan)
