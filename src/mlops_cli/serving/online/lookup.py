"""Features of keys and moments: what is to be asked of a store, and what its answer means.

Nothing here reads: `Lookup.steps` yields what is to be asked and is sent what was told, so that
the same code stands before a store that answers at once and one that is awaited.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Generator, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Any

import msgspec

from mlops_cli.bundle.online import OnlineFeature, OnlinePlan
from mlops_cli.expressions.compile import compile_tree
from mlops_cli.serving.online.base import (
    Ask,
    Cells,
    State,
    StoreAway,
    Told,
    decode_state,
)
from mlops_cli.serving.online.parts import figure

_unpack = msgspec.msgpack.Decoder().decode
_json = msgspec.json.Encoder().encode
_AGAIN = 5  # times that a store may change its state while it is read
MATERIALIZE = "mlops features materialize"

Steps = Generator[list[Ask], tuple["bytes | None", list[Told]], "list[Looked]"]


@dataclass(frozen=True, slots=True)
class Wanted:
    """The features of one event: its moment (microseconds since 1970) and its keys, typed.

    A key that is null is None; `names` are the features that are wanted.
    """

    at: int
    keys: Mapping[str, Any]
    names: Sequence[str]


@dataclass(frozen=True, slots=True)
class Looked:
    """The values by name; `expired` where the store was filled too long before."""

    values: dict[str, Any]
    until: int
    expired: bool = False


class Lookup:
    """Compiled from a plan once. It remembers how the store keeps its rows."""

    def __init__(self, plan: OnlinePlan) -> None:
        self.plan = plan
        spans: dict[tuple[Any, ...], list[OnlineFeature]] = {}
        for f in plan.features:
            spans.setdefault((f.group, f.keys, f.lag, f.window), []).append(f)
        self._spans = [_Span(features) for features in spans.values()]
        self._raw: bytes | None = None
        self._state: State | None = None

    def steps(self, wanted: Sequence[Wanted]) -> Steps:
        """The features of some events, in their order.

        Raises `StoreAway` where the store is empty, or holds other rows than the plan is of.
        """
        for _ in range(_AGAIN):
            asks: dict[tuple[str, bytes], Ask] = {}
            for one in wanted if self._state is not None else ():
                keys = _Keys(one.keys)
                for span in self._spans:
                    span.ask(asks, keys, one.at)
            raw, told = yield list(asks.values())
            if raw is not None and raw == self._raw and self._state is not None:
                found = {key: _Rows(t) for key, t in zip(asks, told, strict=True)}
                return [self._looked(self._state, one, found) for one in wanted]
            self._raw, self._state = raw, self._checked(raw)
        raise StoreAway("the online store changes faster than it can be read")

    def _checked(self, raw: bytes | None) -> State:
        if raw is None:
            raise StoreAway(f"the online store is empty: {MATERIALIZE}")
        state = decode_state(raw)
        if state is None:
            raise StoreAway(f"the online store is of another release: {MATERIALIZE}")
        for span in self._spans:
            if not span.fit(state):
                raise StoreAway(
                    f"the online store was filled for other features than these: {MATERIALIZE}"
                )
        return state

    def _looked(
        self, state: State, one: Wanted, found: Mapping[tuple[str, bytes], _Rows]
    ) -> Looked:
        ttl = self.plan.ttl
        if ttl is not None and one.at - state.until > ttl:
            return Looked(dict.fromkeys(one.names), state.until, expired=True)
        values: dict[str, Any] = {}
        keys = _Keys(one.keys)
        for span in self._spans:
            key = keys.of(span.keys)
            span.put(values, found[span.group, key] if key is not None else None, one.at)
        if len(one.names) != len(values):
            values = {name: values[name] for name in one.names}
        return Looked(values, state.until)


def encode_key(values: Sequence[Any]) -> bytes:
    """Typed values, none of them null, as a store names them: 0.0 and -0.0 are one key."""
    return _json([v + 0.0 if type(v) is float else v for v in values])


class _Keys:
    """Under what the rows of an event are kept."""

    __slots__ = ("_known", "_values")

    def __init__(self, values: Mapping[str, Any]) -> None:
        self._values = values
        self._known: dict[tuple[str, ...], bytes | None] = {}

    def of(self, names: tuple[str, ...]) -> bytes | None:
        """By these columns; None where one is null or not told: of nothing nothing is known."""
        if names not in self._known:
            values = [self._values.get(name) for name in names]
            self._known[names] = None if None in values else encode_key(values)
        return self._known[names]


class _Rows:
    """What was told of one key, decoded when it is looked at."""

    __slots__ = ("_buckets", "_moments", "_told", "_totals")

    def __init__(self, told: Told) -> None:
        self._told = told
        self._moments: dict[int, list[Cells] | None] = {}
        self._buckets = sorted(told.totals)
        self._totals: list[Cells] | None = None

    def moments(self, bucket: int) -> list[Cells] | None:
        """The times of a bucket, and a list of cells for each part; None where there are none."""
        if bucket not in self._moments:
            raw = self._told.moments.get(bucket)
            self._moments[bucket] = None if raw is None else _unpack(raw)
        return self._moments[bucket]

    def latest(self, until: int) -> list[Cells] | None:
        """The one moment, of all that were told, that is the last up to `until`."""
        for bucket in sorted(self._told.moments, reverse=True):
            found = self.moments(bucket)
            if found is not None and (end := bisect_right(found[0], until)):
                return [cells[end - 1 : end] for cells in found]
        return None

    def between(self, after: int, until: int, width: int) -> list[Sequence[Cells]]:
        """Pieces of time in (after, until], in their order: of each a list of cells a part."""
        first, last = (after + 1) // width, until // width
        found: list[Sequence[Cells]] = []
        if (edge := self.moments(first)) is not None:
            start, end = bisect_right(edge[0], after), bisect_right(edge[0], until)
            if start < end:
                found.append([cells[start:end] for cells in edge[1:]])
        if last == first:
            return found
        start, end = bisect_right(self._buckets, first), bisect_left(self._buckets, last)
        if start < end:
            if self._totals is None:
                rows = [_unpack(self._told.totals[bucket]) for bucket in self._buckets]
                self._totals = list(map(list, zip(*rows, strict=True)))
            found.append([cells[start:end] for cells in self._totals])
        if (edge := self.moments(last)) is not None and (end := bisect_right(edge[0], until)):
            found.append([cells[:end] for cells in edge[1:]])
        return found


class _Span:
    """The features of the same rows: of one group, by the same keys, in the same window."""

    def __init__(self, features: Sequence[OnlineFeature]) -> None:
        first = features[0]
        self.group, self.keys = first.group, first.keys
        self._lag, self._window = first.lag, first.window
        self._features = [
            (
                f.name,
                compile_tree(f.tree),
                [(n, g.function, g.type, [p.id for p in g.parts]) for n, g in f.figures.items()],
                f.ttl,
            )
            for f in features
        ]
        self._parts = {part.id: 0 for f in features for part in f.parts()}
        self._width = 1

    def fit(self, state: State) -> bool:
        """Take the places of its parts from a store's state; whether it has them all."""
        kept = state.groups.get(self.group)
        if kept is None or not self._parts.keys() <= set(kept.parts):
            return False
        self._width = kept.width
        self._parts = {id_: kept.parts.index(id_) for id_ in self._parts}
        return True

    def ask(self, asks: dict[tuple[str, bytes], Ask], keys: _Keys, at: int) -> None:
        """Add what it needs to what is asked."""
        key = keys.of(self.keys)
        if key is None:
            return
        ask = asks.get((self.group, key))
        if ask is None:
            ask = asks[self.group, key] = Ask(self.group, key)
        until = at - self._lag
        last = until // self._width
        if self._window is None:
            ask.latest.add(last)
            return
        first = (until - self._window + 1) // self._width
        ask.edges.update((first, last))
        if last - first > 1:
            ask.first = first + 1 if ask.first is None else min(ask.first, first + 1)
            ask.last = last - 1 if ask.last is None else max(ask.last, last - 1)

    def put(self, values: dict[str, Any], rows: _Rows | None, at: int) -> None:
        """Add the values at a moment, of the rows of a key; None: of a key that is null."""
        if rows is None:
            values.update((name, None) for name, *_ in self._features)
            return
        until = at - self._lag
        if self._window is None:
            self._put_latest(values, rows.latest(until), at)
            return
        pieces = rows.between(until - self._window, until, self._width)
        cells: dict[str, Cells] = {}
        for id_, place in self._parts.items():
            lists = [piece[place] for piece in pieces]
            cells[id_] = lists[0] if len(lists) == 1 else list(chain.from_iterable(lists))
        for name, compute, figures, _ in self._features:
            row = {n: figure(f, kind, [cells[p] for p in parts]) for n, f, kind, parts in figures}
            values[name] = compute(row)

    def _put_latest(self, values: dict[str, Any], found: list[Cells] | None, at: int) -> None:
        for name, compute, figures, ttl in self._features:
            if found is None or (ttl is not None and found[0][0] < at - ttl):
                values[name] = None
                continue
            row = {
                n: figure(f, kind, [found[1 + self._parts[p]] for p in parts])
                for n, f, kind, parts in figures
            }
            values[name] = compute(row)
