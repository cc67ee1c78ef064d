"""Features that a server looks up by key: the content of `online.json` in a bundle."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from mlops_cli._json import canonical_json
from mlops_cli.expressions.tree import Node, ValueType

PartKind = Literal[
    "rows", "count", "sum", "moments", "min", "max", "first", "last", "distinct", "value"
]
Function = Literal[
    "rows", "count", "sum", "avg", "stddev", "min", "max", "first", "last", "distinct", "value"
]
_Micros = Annotated[int, Meta(ge=0)]


class Part(msgspec.Struct, frozen=True, omit_defaults=True):
    """What a store keeps of the rows of one moment: a partial result of a value of each row.

    `rows` and `count` are numbers, `sum` a float or null, `moments` the list of count, mean and
    sum of squared deviations or null, `distinct` the list of values; the others are a value, of
    which dates and moments are microseconds since 1970. `value` is the last row's, null or not.
    """

    kind: PartKind
    argument: Node | None = None

    @property
    def id(self) -> str:
        """Its name in the store: 16 hex digits, the same for the same meaning."""
        return hashlib.sha256(canonical_json(self)).hexdigest()[:16]


class OnlineFigure(msgspec.Struct, frozen=True):
    """A figure of the rows of a window, made of `parts`."""

    function: Function
    parts: tuple[Part, ...]
    type: ValueType


class OnlineFeature(msgspec.Struct, frozen=True, omit_defaults=True):
    """A feature that is looked up: an expression `tree` of `figures`, of rows of a `group`.

    Rows count whose time is in (t - lag - window, t - lag], in microseconds; without a window the
    last one counts, and one older than `ttl` does not. `keys` are the inputs that name the rows.
    """

    name: str
    type: ValueType
    group: str
    keys: tuple[str, ...]
    lag: _Micros
    tree: Node
    figures: dict[str, OnlineFigure]
    window: Annotated[int, Meta(ge=1)] | None = None
    ttl: _Micros | None = None

    def parts(self) -> Iterator[Part]:
        """The parts of all its figures."""
        for figure in self.figures.values():
            yield from figure.parts


class OnlinePlan(msgspec.Struct, frozen=True, omit_defaults=True):
    """The content of `online.json`.

    `time` is the input that tells the moment; `required` are the keys that may not be null. So
    long after a store was filled (`ttl`, microseconds) its values count; later they are missing.
    """

    features: Annotated[tuple[OnlineFeature, ...], Meta(min_length=1)]
    time: str | None = None
    required: tuple[str, ...] = ()
    ttl: _Micros | None = None

    @property
    def groups(self) -> dict[str, tuple[Part, ...]]:
        """The parts that each group of rows needs, each once."""
        found: dict[str, dict[str, Part]] = {}
        for feature in self.features:
            found.setdefault(feature.group, {}).update({p.id: p for p in feature.parts()})
        return {group: tuple(parts.values()) for group, parts in found.items()}

    @property
    def keys(self) -> tuple[str, ...]:
        """The inputs that name rows, each once."""
        return tuple(dict.fromkeys(key for f in self.features for key in f.keys))


def group_id(table: str, keys: tuple[str, ...], time: str | None) -> str:
    """The name of the rows of a table by these keys and that time: 12 hex digits."""
    return hashlib.sha256(msgspec.json.encode([table, keys, time])).hexdigest()[:12]
