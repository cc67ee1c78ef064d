"""What one request becomes in the prediction log, row by row."""

from __future__ import annotations

import time
from array import array
from collections.abc import Callable, Iterable, Sequence
from hashlib import sha256
from itertools import repeat
from typing import Protocol

import msgspec

from mlops_cli.serving.encoder import Row
from mlops_cli.serving.list_reader import Columns, events_of
from mlops_cli.serving.logged_columns import Scheme, moment
from mlops_cli.serving.models import Matrix
from mlops_cli.serving.requests import Event

_LINE = b'%b%d,"id":%b%b%b,"features":%b,"prediction":%b'
_NULL = b"null"
_encode = msgspec.json.Encoder().encode


class Lines(Protocol):
    """The lines of a request that is under way."""

    def failed(self, error: str) -> None:
        """The model failed at what it was asked for last; `error` is the kind of its fault."""

    def end(self, seconds: float) -> None:
        """The request is answered, so long after it came."""


class Ended(Protocol):
    """What makes the lines of requests that are answered."""

    def ended(self, entry: Entry) -> None:
        """Make its lines, as soon as the answer is written."""


class Entry:
    """What one request becomes in the log: told of its rows, and then of its end.

    `places` are those of its rows in the request, where they are not all of it.
    """

    __slots__ = (
        "_bodies", "_columns", "_digests", "_end", "_error", "_events", "_id", "_key", "_lines",
        "_log", "_predictions", "_scheme", "_split", "_start", "_time", "places",
    )  # fmt: skip

    def __init__(self, log: Ended, scheme: Scheme, request_id: bytes, key: str | None) -> None:
        self._log = log
        self._scheme = scheme
        self._id = request_id
        self._key = key
        self._time = time.time()
        self._lines: list[bytes] = []
        self._error = self._end = b""
        self.places: Sequence[int] | None = None
        self._start = 0
        self._events: Sequence[Event] = ()
        self._bodies: Sequence[bytes] = ()
        self._columns: Columns | None = None
        self._split: Callable[[], Sequence[bytes]] | None = None
        self._digests: Iterable[bytes] = ()
        self._predictions: Iterable[bytes] = ()

    def asked(
        self, events: Sequence[Event], bodies: Sequence[bytes] | None = None, start: int = 0
    ) -> None:
        """The model is to be asked for these events, of which the first is row `start`.

        `bodies` are the same as JSON, objects, where there is more in them.
        """
        self._fold()
        self._start, self._events, self._columns = start, events, None
        self._bodies = bodies or [b"{}"] * len(events)

    def asked_exactly(
        self, columns: Columns, bodies: Callable[[], Sequence[bytes]], start: int = 0
    ) -> None:
        """As `asked`, of events as `EventDecoder.exact_list` gives them: no body holds more.

        `bodies` are called for when the features are known, or never will be.
        """
        self._fold()
        self._start, self._events, self._columns, self._split = start, (), columns, bodies

    def answered(self, features: Iterable[bytes], predictions: Iterable[bytes]) -> None:
        """It said this of the events that it was asked for last.

        `features` are rows of float32, and `predictions` as JSON.
        """
        self.encoded(features)
        self.predicted(predictions)

    def encoded(self, features: Iterable[bytes]) -> None:
        """The features of these events, of which is told before the predictions are there."""
        self._divide()
        self._digests = [b'"%b"' % sha256(row).hexdigest().encode() for row in features]

    def _divide(self) -> None:
        if self._split is not None:
            self._bodies, self._split = self._split(), None

    def predicted(self, predictions: Iterable[bytes]) -> None:
        """What it said of them, as JSON."""
        self._predictions = predictions

    def told(self, digests: Iterable[bytes], predictions: Iterable[bytes]) -> None:
        """As `answered`, by digests of the features in hex."""
        self._digests = [b'"%b"' % digest for digest in digests]
        self._predictions = predictions

    def end(self, seconds: float) -> None:
        """The request is answered, so long after it came."""
        self._end = b'%b,"ms":%.3f}\n' % (self._error, seconds * 1000)
        self._log.ended(self)

    def failed(self, error: str) -> None:
        """The model failed at what it was asked for last; `error` is the kind of its fault."""
        self._lines.clear()
        self._digests = self._predictions = repeat(_NULL)
        self._error = b',"error":%b' % _encode(error)

    def lines(self) -> tuple[bytes, int]:
        """The lines of a request that has ended, and how many they are."""
        self._fold()
        lines, self._lines = self._lines, []
        return self._end.join((*lines, b"")), len(lines)

    def _fold(self) -> None:
        """Make all of a line but its end: how long it took is known when the answer is sent."""
        self._divide()
        events, bodies, columns, scheme = self._events, self._bodies, self._columns, self._scheme
        whole = columns is not None and scheme.fit(bodies)
        if columns is not None and (scheme.has_ids or not whole):
            events = events_of(columns)
        opening = b'{"time":"%b","request_id":"%b","row":' % (moment(self._time), self._id)
        names = scheme.names(self._key)
        inputs = bodies if whole else map(scheme.inputs, events)
        ids = map(scheme.ids, events, bodies) if scheme.has_ids else repeat(b"{}")
        places: Sequence[int] = range(self._start, self._start + len(bodies))
        if self.places is not None:
            places = [self.places[place] for place in places]
        self._lines += [
            _LINE % (opening, place, one, names, values, digest, prediction)
            for place, one, values, digest, prediction in zip(
                places, ids, inputs, self._digests, self._predictions, strict=False
            )
        ]
        self._events, self._bodies, self._columns = (), (), None
        self._digests = self._predictions = ()


def vectors(matrix: Matrix) -> list[bytes]:
    """The rows of a matrix of float32, each as `vector` gives it."""
    content, size = matrix.tobytes(), matrix.shape[1] * matrix.itemsize
    return [content[at : at + size] for at in range(0, len(content), size)]


def vector(row: Row) -> bytes:
    """A row of features as float32, of which `features` of a line is the sha256."""
    return array("f", row).tobytes()
