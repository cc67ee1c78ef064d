"""The events of a request of our own protocol, as a rollout divides them."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress

import msgspec

from mlops_cli.serving.entry import Entry
from mlops_cli.serving.requests import Event, RequestError, elements
from mlops_cli.serving.served import Served, Version
from mlops_cli.serving.split import Asked, Divided, Told

CHUNK = 500  # events of one question
Contents = Callable[[Served, bytes, "Entry | None"], Awaitable[list[bytes]]]


class _Number(msgspec.Struct, gc=False):
    probability: float | None = None
    value: float | None = None


_numbers = msgspec.json.Decoder(list[_Number]).decode


class Events:
    """See `Rows`: answers are predictions as JSON. Raises `RequestError` as `elements` does."""

    def __init__(self, body: bytes, contents: Contents) -> None:
        found = elements(body)
        self._alone = found is None
        self._bodies = [body] if found is None else [bytes(raw) for raw in found]
        self._contents = contents
        self.count = len(self._bodies)

    def body(self, place: int) -> bytes:
        """See `Rows.body`."""
        return self._bodies[place]

    async def here(self, served: Served, entry: Entry | None, places: Sequence[int]) -> list[bytes]:
        """See `Rows.here`."""
        if self._alone:
            return await self._contents(served, self._bodies[0], entry)
        body = b"[%b]" % b",".join([self._bodies[place] for place in places])
        try:
            return await self._contents(served, body, entry)
        except RequestError as e:
            if e.row is not None:
                e.row = places[e.row]
            raise

    def asked(self, places: Sequence[int]) -> list[Asked]:
        """See `Rows.asked`."""
        bodies = [self._bodies[place] for place in places]
        return [Asked(0, bodies[at : at + CHUNK]) for at in range(0, len(bodies), CHUNK)]

    def there(self, version: Version, told: Sequence[Told]) -> list[bytes]:
        """See `Rows.there`."""
        del version
        return [content for one in told for content in one.contents]

    def logged(self, version: Version, places: Sequence[int]) -> tuple[list[Event], list[bytes]]:
        """See `Rows.logged`; what the version cannot read is empty."""
        bodies, events = [self._bodies[place] for place in places], []
        for body in bodies:
            event: Event = {}
            with suppress(RequestError):
                event = version.decoder.event(body)
            events.append(event)
        return events, bodies

    def mean(self, served: Version, said: list[bytes]) -> float | None:
        """See `Rows.mean`."""
        if served.bundle.manifest.task == "multiclass":
            return None
        found = _numbers(b"[%b]" % b",".join(said))
        numbers = [n.probability if n.value is None else n.value for n in found]
        return sum(n for n in numbers if n is not None) / len(numbers)

    def merged(self, parts: Sequence[tuple[Sequence[int], list[bytes]]]) -> list[bytes]:
        """See `Rows.merged`."""
        if len(parts) == 1:
            return parts[0][1]
        said = [b""] * self.count
        for places, contents in parts:
            for place, content in zip(places, contents, strict=True):
                said[place] = content
        return said


def with_versions(divided: Divided[list[bytes]]) -> list[bytes]:
    """The predictions, each with the version that made it, where those differ."""
    if divided.versions is None:
        return divided.said
    return [
        b'%b,"version":"%b"}' % (content[:-1], version.encode())
        for content, version in zip(divided.said, divided.versions, strict=True)
    ]
