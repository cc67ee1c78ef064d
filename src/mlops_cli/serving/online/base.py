"""The port of an online store: rows of keys, as partial results by moment, in buckets of time.

A bucket is all moments t (microseconds since 1970) with t // width the same. A store keeps, by
group, key and bucket, the moments with the parts of each, and the parts of the bucket as a whole.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any, Protocol

import msgspec

Cells = list[Any]
FORMAT = 1


class GroupState(msgspec.Struct, frozen=True):
    """How a group of rows is kept: the width of a bucket in microseconds, and the parts' names."""

    width: int
    parts: tuple[str, ...]


class State(msgspec.Struct, frozen=True):
    """What a store tells of itself: all rows up to `until` are in it (microseconds since 1970).

    `filled` is when that was written, in the same unit.
    """

    until: int
    filled: int
    groups: dict[str, GroupState]
    format: int = FORMAT


_read_state = msgspec.json.Decoder(State).decode


class StoreAway(Exception):  # an answer, no fault of ours
    """A store that cannot be asked now, or that does not answer in time: the message says why."""


@dataclass(slots=True)
class Ask:
    """What is read of one key: whole buckets from `first` to `last`, moments of the `edges`.

    For each bucket of `latest` the moments of the last two up to it that hold any, too.
    """

    group: str
    key: bytes
    first: int | None = None
    last: int | None = None
    edges: set[int] = field(default_factory=set)
    latest: set[int] = field(default_factory=set)


@dataclass(frozen=True, slots=True)
class Told:
    """What a store has of an `Ask`: by bucket, the content of both kinds."""

    totals: Mapping[int, bytes]
    moments: Mapping[int, bytes]


@dataclass(frozen=True, slots=True)
class Chunk:
    """A bucket of a key as it is to be kept."""

    group: str
    key: bytes
    bucket: int
    totals: bytes
    moments: bytes


class Store(Protocol):
    """Reads: all of one call are of one state of the store, whoever writes meanwhile."""

    def read(self, asks: Sequence[Ask]) -> tuple[bytes | None, list[Told]]:
        """The state as it is kept, None of an empty store, and what there is of each ask.

        Raises `StoreAway`.
        """


class AsyncStore(Protocol):
    """A store as a server asks it."""

    async def read(self, asks: Sequence[Ask]) -> tuple[bytes | None, list[Told]]:
        """See `Store.read`; in bounded time."""


class Writer(Protocol):
    """Writes: all of it or nothing. A context manager that frees the store."""

    def __enter__(self) -> Writer:
        """The writer itself."""

    def __exit__(
        self, kind: type[BaseException] | None, e: BaseException | None, at: TracebackType | None
    ) -> None:
        """Let go of the store."""

    def state(self) -> State | None:
        """What is there now; None: nothing, or of another format."""

    def replace(self, state: State, chunks: Iterable[Chunk]) -> int:
        """Have these chunks (by group, key and bucket ascending) and no others.

        Returns how many were written or removed: what is there already is left. Raises
        `EnvironmentFault` where the store is away or full; it is what it was then.
        """


def decode_state(raw: bytes | None) -> State | None:
    """A state as it is kept; None for nothing, or for one of another format."""
    if raw is None:
        return None
    try:
        state = _read_state(raw)
    except msgspec.MsgspecError:
        return None
    return state if state.format == FORMAT else None
