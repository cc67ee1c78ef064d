"""Rows of events whose values the decoder gave their inputs' types: most of what is asked.

The decoder then has done what `RowEncoder` does value by value. Whatever is otherwise (text for a
number, a key too few) takes the usual way, which has the same numbers, or says what is wrong.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from operator import itemgetter
from typing import Annotated, Any

import msgspec
import numpy as np
import numpy.typing as npt

from mlops_cli.bundle.manifest import Feature, Input, Manifest
from mlops_cli.expressions.tree import FeatureTrees, Node, columns_of
from mlops_cli.expressions.values import BIGINT, Converter, Refused, converter, missing_words
from mlops_cli.serving.column_encoder import FLOAT32_LIMIT, NUMBERS, codes_of
from mlops_cli.serving.list_reader import Columns
from mlops_cli.serving.models import Matrix
from mlops_cli.serving.requests import Event, Scalar

_NAN = math.nan
_INTEGER = Annotated[int, msgspec.Meta(ge=-BIGINT, le=BIGINT - 1)]
_KINDS: Mapping[str, Any] = {"boolean": bool, "integer": _INTEGER, "float": float}
_FILLED = Annotated[str, msgspec.Meta(min_length=1)]  # an empty text stands for a missing one

Packed = Sequence[float | None]
"""A row of features in the manifest's order; None is missing."""
Encode = Callable[[Mapping[str, Any]], float]
_KNOWN = 4096  # results of an expression that are kept
_Codes = Callable[[object, float], float]


class ExactRows:
    """Compiled from a bundle once. `types` are what a decoder has to hold the inputs to."""

    def __init__(self, manifest: Manifest, trees: FeatureTrees, features: Sequence[Encode]) -> None:
        inputs = {i.name: i for i in manifest.inputs}
        nodes = {tree.name: tree.tree for tree in trees.features}
        plain = [_plain(f, nodes[f.name], inputs) for f in manifest.features]
        rows = list(enumerate(zip(manifest.features, plain, features, strict=True)))
        self._codes: list[tuple[int, str, _Codes]] = [
            (at, name, codes_of(f).get)
            for at, (f, name, _) in rows
            if name and f.kind == "category"
        ]
        computed = [
            (at, names, *_remembered(encode, names, inputs))
            for at, (f, name, encode) in rows
            if not name
            for names in [list(columns_of(nodes[f.name]))]
        ]
        self._computed = [(at, of_event) for at, _, of_event, _ in computed]
        self._computed_columns = [(at, names, of_values) for at, names, _, of_values in computed]
        read = {name for _, names, *_ in computed for name in names}
        self._converted = [
            (i.name, i.nullable, converter(i.type, i.missing, i.format)[1])
            for i in manifest.inputs
            if _is_converted(i, computed=i.name in read)
        ]
        self._width = len(manifest.features)
        some = next(iter(inputs), "")  # stands where a number is computed
        self._take = _taker([name or some for name in plain])
        others = {at for at, *_ in (*self._codes, *self._computed)}
        self._numbers = [(at, str(name)) for at, name in enumerate(plain) if at not in others]
        # No feature may notice that one of these is absent.
        self._needed = [i.name for i in manifest.inputs if not i.nullable and i.name not in plain]
        self._absent: Event = {i.name: None for i in manifest.inputs if i.nullable}
        self.types = {i.name: _type(i) for i in manifest.inputs}

    def row(self, event: Event) -> Packed | None:
        """The features of an event of these types; None: the usual way has to look at it."""
        try:
            return self._row(event)
        except KeyError:
            event = {**self._absent, **event}
        except Refused:
            return None
        try:
            return self._row(event)
        except (KeyError, Refused):
            return None

    def _row(self, event: Event) -> Packed:
        row = [*self._take(event)]
        for name in self._needed:
            event[name]
        for at, name, codes in self._codes:
            row[at] = codes(event[name], _NAN)
        if self._converted:
            event = self._typed(event)
        for at, encode in self._computed:
            row[at] = encode(event)
        return row

    def matrix(self, columns: Columns) -> Matrix | None:
        """The features of events of these types, shape (n, f); None as of `row`."""
        try:
            return self._matrix(columns)
        except Refused:
            return None

    def _matrix(self, columns: Columns) -> Matrix:
        count = len(next(iter(columns.values())))
        numbers = np.empty((count, self._width))
        for at, name in self._numbers:
            numbers[:, at] = columns[name]  # None is NaN
        for at, name, codes in self._codes:
            numbers[:, at] = [codes(value, _NAN) for value in columns[name]]
        if self._converted:
            columns = {**columns, **self._typed_columns(columns)}
        for at, names, of in self._computed_columns:
            found = zip(*(columns[name] for name in names), strict=True) if names else ((),) * count
            numbers[:, at] = list(map(of, found))
        return _float32(numbers)

    def _typed(self, event: Event) -> Event:
        event = dict(event)
        for name, nullable, convert in self._converted:
            event[name] = _convert(event[name], convert, nullable=nullable)
        return event

    def _typed_columns(self, columns: Columns) -> Columns:
        return {
            name: [_convert(value, convert, nullable=nullable) for value in columns[name]]
            for name, nullable, convert in self._converted
        }


def _convert(value: Any, convert: Converter, *, nullable: bool) -> Any:
    if value is not None:
        value = convert(value)
    if value is None and not nullable:
        raise Refused("must not be null")
    return value


def packed(rows: Sequence[Packed], width: int) -> Matrix:
    """Rows as the model's matrix, of shape (n, f): what float32 cannot hold is missing."""
    return _float32(np.array(rows, np.float64).reshape(len(rows), width))


def _float32(numbers: npt.NDArray[np.float64]) -> Matrix:
    numbers[np.abs(numbers) >= FLOAT32_LIMIT] = _NAN
    return numbers.astype(np.float32)


def _plain(feature: Feature, tree: Node, inputs: Mapping[str, Input]) -> str | None:
    """The input that a feature is as it stands, if it is."""
    if tree.op != "column":
        return None
    name = str(tree.value)
    if feature.kind == "category":
        words = missing_words(inputs[name].type, inputs[name].missing)
        is_text = inputs[name].type == "text"
        return name if is_text and codes_of(feature).keys().isdisjoint(words) else None
    is_number = inputs[name].type in NUMBERS and inputs[name].format is None
    return name if is_number else None


def _is_converted(i: Input, *, computed: bool) -> bool:
    """Whether the decoder leaves something to do: text may stand for a missing value."""
    if i.type in NUMBERS:
        return i.format is not None
    held = i.nullable or not set(missing_words("text", i.missing)) - {""}
    return i.type != "text" or computed or not held


def _remembered(
    encode: Encode, names: Sequence[str], inputs: Mapping[str, Input]
) -> tuple[Encode, Callable[[tuple[Any, ...]], float]]:
    """An expression of an event, and of the values of these names in it: where they tell all, it is
    not computed anew of what it read of late."""

    def of_values(read: tuple[Any, ...]) -> float:
        return encode(dict(zip(names, read, strict=True)))

    if any(inputs[name].type == "float" for name in names):  # 0.0 and -0.0 are the same key
        return encode, of_values
    take = _taker(names)
    known: dict[tuple[Any, ...], float] = {}

    def remember(read: tuple[Any, ...]) -> float:
        number = known.get(read)
        if number is None:
            if len(known) >= _KNOWN:
                known.clear()
            number = known[read] = of_values(read)
        return number

    def of_event(event: Mapping[str, Any]) -> float:
        number = known.get(read := take(event))
        return remember(read) if number is None else number

    return of_event, remember


def _type(i: Input) -> Any:
    if i.format is not None and i.type in NUMBERS:
        return Scalar
    kind = _KINDS.get(i.type, str)
    if i.nullable:
        return kind | None
    return _FILLED if i.type == "text" else kind


def _taker(names: Sequence[str]) -> Callable[[Mapping[str, Any]], tuple[Any, ...]]:
    """The values of these names, of an event that has them all; raises `KeyError`."""
    if len(names) > 1:
        return itemgetter(*names)
    return lambda event: tuple(event[name] for name in names)
