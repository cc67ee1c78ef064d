"""Events completed before anything reads them: what is to be looked up, where they lack it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, TypedDict

import msgspec

from mlops_cli.bundle.manifest import Manifest
from mlops_cli.bundle.online import OnlinePlan
from mlops_cli.expressions.values import Refused, converter
from mlops_cli.serving.metrics import Metrics
from mlops_cli.serving.online.base import AsyncStore, StoreAway
from mlops_cli.serving.online.lookup import Looked, Lookup, Wanted
from mlops_cli.serving.online.parts import micros, plain
from mlops_cli.serving.requests import Event, RequestError, Scalar, elements

AT_ONCE = 50  # events that are looked up between two turns of the event loop
_encode = msgspec.json.Encoder().encode
_SPACE = b" \t\r\n"
_RETRY = ((b"retry-after", b"1"),)


class Completer:
    """The features of one version that are looked up; compiled once.

    What an event brings itself is taken as it is. `store` is None where the server has none.
    """

    def __init__(
        self, manifest: Manifest, plan: OnlinePlan, store: AsyncStore | None, metrics: Metrics
    ) -> None:
        inputs = {i.name: i for i in manifest.inputs}
        self._lookup = Lookup(plan)
        self._store = store
        self._metrics = metrics
        self._names = [f.name for f in plan.features]
        self._keys_of = {f.name: f.keys for f in plan.features}
        self._required = frozenset(plan.required)
        self._time = plan.time
        read = [*plan.keys, *([plan.time] if plan.time else [])]
        self._readers = {
            name: converter(inputs[name].type, inputs[name].missing, inputs[name].format)[1]
            for name in dict.fromkeys(read)
        }
        fields: dict[str, Any] = {**dict.fromkeys(self._names, msgspec.Raw),
            **dict.fromkeys(self._readers, Scalar)}  # fmt: skip
        kind = TypedDict("Keys", fields, total=False)  # type: ignore[misc]  # names are data here
        self._read: Callable[[bytes], Any] = msgspec.json.Decoder(kind).decode

    async def body(self, body: bytes) -> bytes:
        """A request of our own protocol with what was looked up; as it came, where it is unusual.

        What is wrong with that is told by who reads it then. Raises `RequestError`: 422 for a key
        that is null and may not be, 503 where the store cannot be asked.
        """
        if body.lstrip(_SPACE)[:1] != b"[":
            (found,) = await self._bodies([body], alone=True)
            return found
        events = elements(body) or []
        made: list[bytes] = []
        for start in range(0, len(events), AT_ONCE):
            if start:
                await asyncio.sleep(0)
            part = [bytes(raw) for raw in events[start : start + AT_ONCE]]
            made += await self._bodies(part, start)
        return b"[%b]" % b",".join(made)

    async def events(self, events: Sequence[Event]) -> list[Event]:
        """The same of events whose values are there by name."""
        made: list[Event] = []
        for start in range(0, len(events), AT_ONCE):
            if start:
                await asyncio.sleep(0)
            part = events[start : start + AT_ONCE]
            looked = await self._looked(part, start, alone=len(events) == 1)
            made += [{**event, **found} for event, found in zip(part, looked, strict=True)]
        return made

    async def _bodies(
        self, bodies: Sequence[bytes], start: int = 0, *, alone: bool = False
    ) -> list[bytes]:
        looked = await self._looked([self._keys(body) for body in bodies], start, alone=alone)
        return [_with(body, found) for body, found in zip(bodies, looked, strict=True)]

    def _keys(self, body: bytes) -> Event | None:
        try:
            found: Event = self._read(body)
        except (msgspec.MsgspecError, RecursionError, UnicodeDecodeError):
            return None
        return found

    async def _looked(
        self, events: Sequence[Event | None], start: int, *, alone: bool
    ) -> list[Mapping[str, Any]]:
        now = micros(datetime.now(UTC).replace(tzinfo=None))
        wanted: dict[int, Wanted] = {}
        for place, event in enumerate(events):
            one = self._wanted(event, now, None if alone else start + place) if event else None
            if one is not None:
                wanted[place] = one
        if not wanted:
            return [{}] * len(events)
        looked = await self._ask(list(wanted.values()))
        found = dict(zip(wanted, looked, strict=True))
        return [
            {n: plain(v) for n, v in found[place].values.items()} if place in found else {}
            for place in range(len(events))
        ]

    def _wanted(self, event: Event, now: int, row: int | None) -> Wanted | None:
        """What is to be looked up for an event; None: nothing, or what it says cannot be read."""
        names = [name for name in self._names if name not in event]
        if not names:
            return None
        try:
            typed = {name: self._typed(event, name) for name in self._readers}
        except Refused:
            return None
        for name in self._required:
            if typed[name] is None and any(name in self._keys_of[n] for n in names):
                said = f"{name} must not be null: {names[0]} is looked up by it"
                raise RequestError(422, said, field=name, row=row)
        moment = typed[self._time] if self._time else None
        at = now if moment is None else micros(moment)
        return Wanted(at, typed, names)

    def _typed(self, event: Event, name: str) -> Any:
        value = event.get(name)
        return None if value is None else self._readers[name](value)

    async def _ask(self, wanted: list[Wanted]) -> list[Looked]:
        try:
            if self._store is None:
                raise StoreAway("this server has no online store: features.online in mlops.yaml")
            steps = self._lookup.steps(wanted)
            asks = next(steps)
            while True:
                told = await self._store.read(asks)
                try:
                    asks = steps.send(told)
                except StopIteration as e:
                    looked: list[Looked] = e.value
                    break
        except StoreAway as e:
            self._metrics.looked_up_online("unavailable", len(wanted))
            raise RequestError(503, str(e), headers=_RETRY) from e
        expired = sum(one.expired for one in looked)
        self._metrics.looked_up_online("expired", expired)
        self._metrics.looked_up_online("answered", len(looked) - expired)
        return looked


def _with(body: bytes, found: Mapping[str, Any]) -> bytes:
    if not found:
        return body
    opened = body.rstrip(_SPACE)[:-1].rstrip(_SPACE)
    comma = b"" if opened.endswith(b"{") else b","
    return b"%b%b%b" % (opened, comma, _encode(found)[1:])
