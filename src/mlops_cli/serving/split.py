"""The events of one request, whatever protocol brought them, and who divides them while a rollout
runs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import sha256
from typing import TYPE_CHECKING, Any, Generic, Protocol, TypeVar

import msgspec

from mlops_cli.serving.entry import Entry
from mlops_cli.serving.requests import Event

if TYPE_CHECKING:
    from mlops_cli.serving.routes import Request
    from mlops_cli.serving.served import Served, Version

T = TypeVar("T")


LISTED = -1


class Asked(msgspec.Struct, array_like=True, gc=False):
    """Events to be predicted: objects of JSON, or values by name. `explain`: with contributions.

    With `rows` another message is to tell what it takes: one event among so many, or (`LISTED`)
    the question as it is.
    """

    number: int
    bodies: list[bytes] = []
    events: list[dict[str, Any]] = []
    explain: bool = False
    rows: int = 0

    @property
    def count(self) -> int:
        """How many events there are."""
        return len(self.bodies) + len(self.events)


class Told(msgspec.Struct, array_like=True, gc=False):
    """What the candidate says of them.

    `contents` are its predictions as JSON, `numbers` the model's own (float64, row by row) and
    `digests` those of the features, or `features` themselves of one event. `seconds` is how long
    it worked; where that is all it is what the question's `rows` take, and `each` what it takes to
    read one of them. `error` is the kind of a fault and `why` its text; `row` and `field` of one
    that is the event's own. Number 0 is the hello. `exact`: the event's values had their inputs'
    types, and it held nothing else.
    """

    number: int
    contents: list[bytes] = []
    numbers: bytes = b""
    digests: list[bytes] = []
    seconds: float = 0.0
    error: str | None = None
    why: str = ""
    refused: bool = False
    row: int | None = None
    field: str | None = None
    each: float = 0.0
    exact: bool = False
    features: bytes = b""

    def vector(self, place: int) -> bytes:
        """See `lines.Said`."""
        del place
        return self.features

    @property
    def features_digests(self) -> list[bytes]:
        """The sha256 of each event's features, in hex."""
        return self.digests or [sha256(self.features).hexdigest().encode()]


class Rows(Protocol[T]):
    """A request's events, by their places from 0, and its answers, in the protocol's own form.

    Errors name the place in `places`.
    """

    @property
    def count(self) -> int:
        """How many there are."""

    def body(self, place: int) -> bytes | Event:
        """One of them: as JSON, or by name."""

    async def here(self, served: Served, entry: Entry | None, places: Sequence[int]) -> T:
        """What this process' version says of these."""

    def asked(self, places: Sequence[int]) -> list[Asked]:
        """Questions for the candidate's process, each of a bounded number of events."""

    def there(self, version: Version, told: Sequence[Told]) -> T:
        """What the candidate's process says, as `here` would have it."""

    def logged(self, version: Version, places: Sequence[int]) -> tuple[list[Event], list[bytes]]:
        """The events for the log, and the same as JSON where there is more in them."""

    def mean(self, served: Version, said: T) -> float | None:
        """The mean of predictions; None where they are no single numbers."""

    def merged(self, parts: Sequence[tuple[Sequence[int], T]]) -> T:
        """Answers of all events, in their order."""


@dataclass(frozen=True, slots=True)
class Divided(Generic[T]):
    """The answers of a request: `version` is the answer's own; `versions` are those of each event
    where they differ."""

    version: Version
    said: T
    versions: list[str] | None = None


class Split(Protocol):
    """Divides requests between two versions."""

    async def answer(
        self, request: Request, rows: Rows[Any], version: str | None
    ) -> Divided[Any] | None:
        """Answer a request that names no version, or the candidate's; None: it is another's.

        Raises `RequestError`.
        """
