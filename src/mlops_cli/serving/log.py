"""The prediction log: what was asked and what was said, a line of JSON for each row."""

from __future__ import annotations

import asyncio
import hashlib
import time
from array import array
from collections.abc import Callable, Iterable, Sequence
from itertools import repeat
from pathlib import Path
from typing import Protocol

import msgspec

from mlops_cli.bundle.reader import Bundle
from mlops_cli.serving.encoder import Row
from mlops_cli.serving.logged_columns import Counted, Scheme, moment
from mlops_cli.serving.models import Matrix
from mlops_cli.serving.requests import Event
from mlops_cli.serving.segment_writer import SegmentWriter
from mlops_cli.serving.segments import PREDICTIONS
from mlops_cli.serving.settings import Log

CHUNK = 1024 * 1024  # bytes that go to the writer at once: to wake a thread costs more than a row
EVERY = 0.2  # seconds after which fewer go, too: a process that is killed loses no more

Tell = Callable[[int, int], None]
_encode = msgspec.json.Encoder().encode
_NULL = b"null"
_LINE = b'%b%d,"id":%b%b%b,"features":%b,"prediction":%b'
_END = b'%b"%b","prediction":%b,"ms":%.3f}\n'
_FAILED = b'%bnull,"prediction":null,"error":%b,"ms":%.3f}\n'
_SCHEMES = 64
_SAMPLED = 2.0**32


class Lines(Protocol):
    """The lines of a request that is under way."""

    def failed(self, error: str) -> None:
        """The model failed at what it was asked for last; `error` is the kind of its fault."""

    def end(self, seconds: float) -> None:
        """The request is answered, so long after it came."""


class Entry:
    """What one request becomes in the log: told of its rows, and then of its end.

    `places` are those of its rows in the request, where they are not all of it.
    """

    __slots__ = (
        "_asked", "_error", "_exact", "_id", "_key", "_lines", "_log", "_scheme", "_time", "places",
    )  # fmt: skip

    def __init__(
        self, log: PredictionLog, scheme: Scheme, request_id: bytes, key: str | None
    ) -> None:
        self._log = log
        self._scheme = scheme
        self._id = request_id
        self._key = key
        self._time = time.time()
        self._lines: list[bytes] = []
        self._error = b""
        self.places: Sequence[int] | None = None
        self._asked: tuple[int, Sequence[Event], Sequence[bytes]] = 0, (), ()
        self._exact = False

    def asked(
        self,
        events: Sequence[Event],
        bodies: Sequence[bytes] | None = None,
        start: int = 0,
        *,
        exact: bool = False,
    ) -> None:
        """The model is to be asked for these events, of which the first is row `start`.

        `bodies` are the same as JSON, objects, where there is more in them; `exact`: there is not.
        """
        self._asked = start, events, bodies or [b"{}"] * len(events)
        self._exact = exact

    def answered(self, features: Iterable[bytes], predictions: Iterable[bytes]) -> None:
        """It said this of the events that it was asked for last.

        `features` are rows of float32, and `predictions` as JSON.
        """
        self._add([_digest(row) for row in features], predictions)

    def told(self, digests: Iterable[bytes], predictions: Iterable[bytes]) -> None:
        """As `answered`, by digests of the features in hex."""
        self._add([b'"%b"' % digest for digest in digests], predictions)

    def end(self, seconds: float) -> None:
        """The request is answered, so long after it came."""
        self._log.take(self._lines, b'%b,"ms":%.3f}\n' % (self._error, seconds * 1000))

    def failed(self, error: str) -> None:
        """The model failed at what it was asked for last; `error` is the kind of its fault."""
        self._lines.clear()
        self._add(repeat(_NULL), repeat(_NULL))
        self._error = b',"error":%b' % _encode(error)

    def _add(self, digests: Iterable[bytes], predictions: Iterable[bytes]) -> None:
        """All of a line but its end: how long it took is known when the answer is sent."""
        row, events, bodies = self._asked
        scheme, lines = self._scheme, self._lines
        opening = b'{"time":"%b","request_id":"%b","row":' % (moment(self._time), self._id)
        names = scheme.names(self._key)
        inputs = bodies if self._exact and scheme.fit(bodies) else map(scheme.inputs, events)
        ids = map(scheme.ids, events, bodies) if scheme.has_ids else repeat(b"{}")
        places: Sequence[int] = range(row, row + len(events))
        if self.places is not None:
            places = [self.places[place] for place in places]
        for place, one, values, digest, prediction in zip(
            places, ids, inputs, digests, predictions, strict=False
        ):
            lines.append(_LINE % (opening, place, one, names, values, digest, prediction))


class PredictionLog:
    """The log of one process: lines are gathered here, and written by another thread.

    `tell` hears how many lines were written and how many dropped since it heard last. Digests of
    columns are HMACs under `secret`, where there is one.
    """

    def __init__(
        self, folder: Path, settings: Log, tell: Tell, *, secret: bytes | None = None
    ) -> None:
        self._settings = settings
        self._secret = secret
        self._tell = tell
        self._writer = SegmentWriter(folder, PREDICTIONS, settings)
        self._all = settings.sample >= 1
        self._schemes: dict[tuple[str, str, Counted | None], Scheme] = {}
        self._last: tuple[Bundle | None, str, Counted | None, Scheme | None]
        self._last = None, "", None, None
        self._counted = (0, 0)
        self._ticks = False
        self._waiting: list[bytes] = []
        self._bytes = 0
        self._lines = 0

    def begin(
        self,
        bundle: Bundle,
        request_id: bytes,
        key: str | None,
        variant: str,
        counted: Counted | None = None,
    ) -> Entry | None:
        """An entry for a request that came with the API key `key`; None: not in the sample.

        `variant` is what the bundle's version is in the traffic; `counted`: see `scheme`.
        """
        if not self.keeps(request_id):
            return None
        return Entry(self, self.scheme(bundle, variant, counted), request_id, key)

    def answered(self, opening: bytes, features: bytes, prediction: bytes, seconds: float) -> None:
        """A request of one event got this answer; `opening` is what `Scheme.opening` made of it."""
        digest = hashlib.sha256(features).hexdigest().encode()
        self.told(opening, digest, prediction, seconds)

    def told(self, opening: bytes, digest: bytes, prediction: bytes, seconds: float) -> None:
        """As `answered`, by the sha256 of the features in 64 hex digits."""
        self.take_whole(_END % (opening, digest, prediction, seconds * 1000), 1)

    def failed(self, opening: bytes, error: str, seconds: float) -> None:
        """The model failed at a request of one event; `error` is the kind of its fault."""
        self.take_whole(_FAILED % (opening, _encode(error), seconds * 1000), 1)

    def keeps(self, request_id: bytes) -> bool:
        """Whether a request is in the sample: by its id, so that all who log it decide alike."""
        return self._all or in_sample(request_id, self._settings.sample)

    def scheme(self, bundle: Bundle, variant: str, counted: Counted | None = None) -> Scheme:
        """What is kept of a version's events, and how, while it is a `variant`.

        `counted` is where a rollout counts them: see `Scheme`.
        """
        of, said, where, scheme = self._last
        if of is bundle and said == variant and where is counted and scheme is not None:
            return scheme
        key = bundle.digest, variant, counted
        scheme = self._schemes.get(key)
        if scheme is None:
            if len(self._schemes) >= _SCHEMES:  # of versions that are loaded no more, most of them
                self._schemes.clear()
            scheme = Scheme(
                bundle, self._settings, variant=variant, secret=self._secret, counted=counted
            )
            self._schemes[key] = scheme
        self._last = bundle, variant, counted, scheme
        return scheme

    def take(self, lines: Sequence[bytes], end: bytes) -> None:
        """Lines without their common end."""
        if not lines:
            return
        self.take_whole(lines[0] + end if len(lines) == 1 else end.join((*lines, b"")), len(lines))

    def take_whole(self, content: bytes, lines: int) -> None:
        """So many lines with their ends."""
        if not self._ticks:
            self._ticks = True
            asyncio.get_running_loop().call_later(EVERY, self._tick)
        self._waiting.append(content)
        self._bytes += len(content)
        self._lines += lines
        if self._bytes >= CHUNK:
            self.flush()

    def _tick(self) -> None:
        self.flush()
        self._count()
        self._ticks = self._writer.busy
        if self._ticks:
            asyncio.get_running_loop().call_later(EVERY, self._tick)

    def _count(self) -> None:
        counted, self._counted = self._counted, (self._writer.written, self._writer.dropped)
        self._tell(*(now - before for now, before in zip(self._counted, counted, strict=True)))

    def flush(self) -> None:
        """Give the writer what there is."""
        if self._waiting:
            self._writer.put(self._waiting, self._bytes, self._lines)
            self._waiting, self._bytes, self._lines = [], 0, 0

    def close(self) -> None:
        """Write what there is, and close the segment."""
        self.flush()
        self._writer.close()
        self._count()


def vectors(matrix: Matrix) -> list[bytes]:
    """The rows of a matrix of float32, each as `vector` gives it."""
    content, size = matrix.tobytes(), matrix.shape[1] * matrix.itemsize
    return [content[at : at + size] for at in range(0, len(content), size)]


def vector(row: Row) -> bytes:
    """A row of features as float32, of which `features` of a line is the sha256."""
    return array("f", row).tobytes()


def _digest(row: bytes) -> bytes:
    return b'"%b"' % hashlib.sha256(row).hexdigest().encode()


def in_sample(request_id: bytes, share: float) -> bool:
    """Whether a log that keeps this share of the requests keeps the one of this id."""
    return int.from_bytes(hashlib.sha256(request_id).digest()[:4]) < share * _SAMPLED
