"""The most frequent request, a prediction of one event, without a task or a coroutine of its own.

Whatever is unusual about one is left to the usual way, which says what is wrong with it.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterable
from typing import Protocol

from mlops_cli.serving.auth import Keys
from mlops_cli.serving.exact_rows import Packed
from mlops_cli.serving.known_heads import Head, KnownHeads
from mlops_cli.serving.lines import opening
from mlops_cli.serving.log import PredictionLog
from mlops_cli.serving.logged_columns import Asked, Counted
from mlops_cli.serving.metrics import Metrics
from mlops_cli.serving.micro_batch import MicroBatcher, Predicted
from mlops_cli.serving.refusals import Openings
from mlops_cli.serving.requests import RequestError, error_body
from mlops_cli.serving.routes import FAILED, Header, new_id, request_id
from mlops_cli.serving.served import Served, Version
from mlops_cli.serving.tracing import Tracing
from mlops_cli.serving.versions import Versions

log = logging.getLogger(__name__)

Respond = Callable[[int, bytes, bytes], None]  # status, request id, body: of JSON
_OBJECT = b"{"
Begin = Callable[[bytes, "str | None", bytes, Respond], "OneEvent | None"]


class Counter(Protocol):
    """Counts what an arm of a rollout answers; `counted` is how the log says where."""

    counted: Counted

    def answered(self, mean: float | None, seconds: float | None = None) -> None:
        """A request was answered: the mean of its predictions, and its latency."""

    def failed(self) -> None:
        """A request was not answered, and should have been."""


class OneEvent:
    """A prediction under way; `gone` once its client has left, or has its answer.

    `asked` is what is known of its line in the log, None where there is to be none. `counter`
    counts it for an arm of a rollout, and `started` is when it came.
    """

    __slots__ = ("_asked", "_by", "_id", "_respond", "_served", "counter", "gone", "started")

    def __init__(
        self,
        by: OneEvents,
        served: Version,
        request_id: bytes,
        asked: Asked | None,
        respond: Respond,
    ) -> None:
        self._by = by
        self._served = served
        self._id = request_id
        self._asked = asked
        self._respond = respond
        self.gone = False
        self.counter: Counter | None = None

    def wait(self, batcher: MicroBatcher, row: Packed, started: float) -> None:
        """Wait for the model, which is asked for a row of features."""
        self.started = started
        batcher.add(row, self)

    def predicted(self, said: Predicted, place: int) -> None:
        """Answer with the prediction."""
        content, by = said.contents[place], self._by
        seconds = time.perf_counter() - self.started
        if self.counter is not None:
            # NumPy's own mean of one number takes ten times as long.
            number = said.raw.item(place) if said.raw.ndim == 1 else said.value(place)
            self.counter.answered(number, seconds)
        if self._asked is not None and by.log is not None:
            by.log.answered(self._asked, said, place, seconds)
        self._answer(content, seconds)

    def _answer(self, content: bytes, seconds: float) -> None:
        served = self._served
        self._by.metrics.answered(200, seconds, 1, served.variant, served.version)
        self.gone = True
        body = b'%b%b","predictions":[%b]}' % (served.opening, self._id, content)
        self._respond(200, self._id, body)

    def failed(self, fault: Exception) -> None:
        """Answer that the model failed."""
        log.error("request %s failed", self._id.decode("ascii"), exc_info=fault)
        served, by, seconds = self._served, self._by, time.perf_counter() - self.started
        if self.counter is not None:
            self.counter.failed()
        if self._asked is not None and by.log is not None:
            by.log.failed(opening(self._asked), type(fault).__name__, seconds)
        by.metrics.answered(500, seconds, 0, served.variant, served.version)
        self.gone = True
        self._respond(500, self._id, error_body(FAILED))


class OneEvents:
    """Begins such predictions, of the version that is the default.

    `heads` and `openings` are what the connections know of requests and of answers. `route` is
    `here`, or what begins them while a rollout runs, and `aside` tells requests by their headers
    that are left to the usual way then.
    """

    def __init__(
        self,
        versions: Versions,
        metrics: Metrics,
        keys: Keys | None,
        predictions: PredictionLog | None,
        tracing: Tracing,
    ) -> None:
        self.versions = versions
        self.route: Begin = self.here
        self.aside: Callable[[Iterable[Header]], bool] | None = None
        self.metrics = metrics
        self._keys = keys
        self.log = predictions
        self._tracing = tracing
        self.heads = KnownHeads()
        self.openings = Openings()

    @property
    def _looks_up(self) -> bool:
        """Whether events have to be completed first, which may take a while."""
        return self.versions.default.online is not None

    def begin(self, headers: Iterable[Header], body: bytes, respond: Respond) -> OneEvent | None:
        """Begin; `respond` is called in a later turn. None: the request takes the usual way."""
        if body[:1] != _OBJECT or self._tracing.wanted(headers) or self._looks_up:
            return None
        if self.aside is not None and self.aside(headers):
            return None
        try:
            key = self._keys.check(headers, "predict") if self._keys is not None else None
        except RequestError:
            return None
        return self.route(request_id(headers), key, body, respond)

    def begin_known(self, head: Head, body: bytes, respond: Respond) -> OneEvent | None:
        """As `begin`, of a head that is known: nothing that is traced was ever begun with it."""
        if body[:1] != _OBJECT or self._looks_up:
            return None
        if self.aside is not None and self.aside(head.headers):
            return None
        try:
            key = head.key(self._keys, time.time()) if self._keys is not None else None
        except RequestError:
            return None
        return self.route(new_id(), key, body, respond)

    def here(
        self,
        named: bytes,
        key: str | None,
        body: bytes,
        respond: Respond,
        counter: Counter | None = None,
    ) -> OneEvent | None:
        """Begin one that this process answers; `counter` counts it."""
        started, served = time.perf_counter(), self.versions.default
        counted = counter.counted if counter is not None else None
        try:
            row, asked = self.read(served, named, key, body, counted)
        except RequestError:
            return None
        one = OneEvent(self, served, named, asked, respond)
        one.counter = counter
        one.wait(served.batcher, row, started)
        return one

    def read(
        self,
        served: Served,
        named: bytes,
        key: str | None,
        body: bytes,
        counted: Counted | None = None,
    ) -> tuple[Packed, Asked | None]:
        """The row of features of an event, and what is known of its line in the log, if any.

        Raises `RequestError`.
        """
        event = served.decoder.exact(body)
        row = served.predictor.exact.row(event) if event is not None else None
        exact = row is not None
        if event is None or row is None:
            event = served.decoder.event(body)
            row = served.predictor.row(event)
        asked: Asked | None = None
        if self.log is not None and self.log.keeps(named):
            scheme = self.log.scheme(served.bundle, served.variant, counted)
            asked = scheme, time.time(), named, key, event, body, exact
        return row, asked
