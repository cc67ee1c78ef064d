"""The most frequent request, a prediction of one event, without a task or a coroutine of its own.

Whatever is unusual about one is left to the usual way, which says what is wrong with it.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterable

import msgspec

from mlops_cli.serving.auth import Keys
from mlops_cli.serving.encoder import Row
from mlops_cli.serving.known_heads import KnownHeads
from mlops_cli.serving.log import Entry, PredictionLog
from mlops_cli.serving.metrics import Metrics
from mlops_cli.serving.micro_batch import Predicted
from mlops_cli.serving.refusals import Openings
from mlops_cli.serving.requests import RequestError, error_body
from mlops_cli.serving.routes import FAILED, Header, request_id
from mlops_cli.serving.tracing import Tracing
from mlops_cli.serving.versions import Served, Versions

log = logging.getLogger(__name__)

Respond = Callable[[int, bytes, bytes], None]  # status, request id, body: of JSON
_encode = msgspec.json.Encoder().encode
_OBJECT = ord("{")


class OneEvent:
    """A prediction under way; `gone` once its client has left, or has its answer."""

    __slots__ = ("_entry", "_id", "_metrics", "_respond", "_row", "_served", "_started", "gone")

    def __init__(
        self, served: Served, row: Row, request_id: bytes, entry: Entry | None, respond: Respond
    ) -> None:
        self._served = served
        self._row = row
        self._id = request_id
        self._entry = entry
        self._respond = respond
        self.gone = False

    def wait(self, started: float, metrics: Metrics) -> None:
        """Wait for the model."""
        self._started = started
        self._metrics = metrics
        self._served.batcher.add(self._row, self)

    def predicted(self, said: Predicted, place: int) -> None:
        """Answer with the prediction."""
        content = _encode(said.predictions[place])
        if self._entry is not None:
            self._entry.answered((said.vector(place),), (content,))
        opening = self._served.opening
        self._answer(200, b'%b%b","predictions":[%b]}' % (opening, self._id, content), 1)

    def failed(self, fault: Exception) -> None:
        """Answer that the model failed."""
        log.error("request %s failed", self._id.decode("ascii"), exc_info=fault)
        if self._entry is not None:
            self._entry.failed(type(fault).__name__)
        self._answer(500, error_body(FAILED), 0)

    def _answer(self, status: int, body: bytes, predictions: int) -> None:
        served, seconds = self._served, time.perf_counter() - self._started
        self._metrics.answered(status, seconds, predictions, served.variant, served.version)
        if self._entry is not None:
            self._entry.end(seconds)
        self.gone = True
        self._respond(status, self._id, body)


class OneEvents:
    """Begins such predictions, of the version that is the default.

    `heads` and `openings` are what the connections know of requests and of answers.
    """

    def __init__(
        self,
        versions: Versions,
        metrics: Metrics,
        keys: Keys | None,
        predictions: PredictionLog | None,
        tracing: Tracing,
    ) -> None:
        self._versions = versions
        self._metrics = metrics
        self._keys = keys
        self._log = predictions
        self._tracing = tracing
        self.heads = KnownHeads()
        self.openings = Openings()

    def begin(
        self, headers: Iterable[Header], body: bytes, respond: Respond, *, known: bool = False
    ) -> OneEvent | None:
        """Begin; `respond` is called in a later turn. None: the request takes the usual way.

        Of a `known` head nothing that is traced was ever begun here.
        """
        if not body or body[0] != _OBJECT or (not known and self._tracing.wanted(headers)):
            return None
        started, served = time.perf_counter(), self._versions.default
        try:
            key = self._keys.check(headers, "predict") if self._keys is not None else None
            event = served.decoder.event(body)
            row = served.predictor.row(event)
        except RequestError:
            return None
        named = request_id(headers)
        entry = None
        if self._log is not None:
            entry = self._log.begin(served.bundle, named, key, served.variant)
        if entry is not None:
            entry.asked((event,), (body,))
        one = OneEvent(served, row, named, entry, respond)
        one.wait(started, self._metrics)
        return one
