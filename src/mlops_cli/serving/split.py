"""The events of one request, whatever protocol brought them, and who divides them while a rollout
runs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Generic, Protocol, TypeVar

from mlops_cli.serving.log import Entry
from mlops_cli.serving.requests import Event

if TYPE_CHECKING:
    from mlops_cli.serving.candidate_messages import Asked, Told
    from mlops_cli.serving.routes import Request
    from mlops_cli.serving.served import Served, Version

T = TypeVar("T")


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
