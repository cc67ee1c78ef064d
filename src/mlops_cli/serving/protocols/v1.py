"""Our own protocol: an event or a list of events as JSON, to a prediction each."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from functools import partial

import msgspec

from mlops_cli.serving.beside import Beside
from mlops_cli.serving.contract import EXPLAIN, PREDICT
from mlops_cli.serving.entry import Entry, vector, vectors
from mlops_cli.serving.log import PredictionLog
from mlops_cli.serving.models import Matrix
from mlops_cli.serving.protocols.divided_events import Events, with_versions
from mlops_cli.serving.requests import LARGE_LIST, Event, RequestError, bodies_of, elements
from mlops_cli.serving.routes import JSON, Answer, Request, Route
from mlops_cli.serving.served import Served, Version
from mlops_cli.serving.versions import Versions

CHUNK = 500  # rows of a list between two turns of the event loop, so that others are answered
AT_ONCE = 1000  # events of a list that is answered in one turn of the loop
BESIDE = 256  # rows from which on the model is asked beside what the log keeps of them
EXPLAINED = 1000  # events of one request to explain: each costs what tens of predictions do
EXPLAINED_AT_ONCE = 4  # of them between two turns of the loop
MODEL = "/v1/models/{name}"
VERSION = MODEL + "/versions/{version}"
_encode = msgspec.json.Encoder().encode


class V1:
    """Its handlers, for the versions that are loaded."""

    def __init__(self, versions: Versions, log: PredictionLog | None = None) -> None:
        self._versions = versions
        self._log = log
        self._one_list = asyncio.Lock()
        self._beside = Beside()

    def routes(self) -> list[Route]:
        """The table."""
        predict = PREDICT, f"{MODEL}/predict", f"{VERSION}/predict"
        explain = EXPLAIN, f"{MODEL}/explain", f"{VERSION}/explain"
        return [
            *(Route(path, {"POST": self.predict}, "predict") for path in predict),
            *(Route(path, {"POST": self.explain}, "explain") for path in explain),
        ]

    async def predict(self, request: Request) -> Answer:
        """A prediction for each event."""
        split, parameters = self._versions.split, request.parameters
        request.served = asked = self._versions.known(**parameters)
        request.body = await self._versions.completed(asked, request.body)
        if split is not None:
            events = Events(request.body, self.contents)
            divided = await split.answer(request, events, parameters.get("version"))
            if divided is not None:
                return _answer(request, divided.version, with_versions(divided))
        served = request.served = self._versions.find(**parameters)
        entry = None
        if self._log is not None:
            entry = self._log.begin(served.bundle, request.id, request.key, served.variant)
            request.entry = entry
        return _answer(request, served, await self.contents(served, request.body, entry))

    async def explain(self, request: Request) -> Answer:
        """A prediction for each event, with what each feature contributes to it."""
        served = request.served = self._versions.find(**request.parameters)
        request.body = await self._versions.completed(served, request.body)
        events = elements(request.body)
        if events is None:
            alone = served.explain([served.decoder.event(request.body)])
            return _answer(request, served, [_encode(alone[0])])
        if len(events) > EXPLAINED:
            raise RequestError(413, f"at most {EXPLAINED} events are explained at a time")
        answers = partial(_explained, served)
        async with self._one_list:
            return _answer(request, served, await _list(events, answers, EXPLAINED_AT_ONCE))

    async def contents(self, served: Served, body: bytes, entry: Entry | None) -> list[bytes]:
        """The predictions of a body as JSON; raises `RequestError`."""
        answered = self._at_once(served, entry, body)
        if answered is not None:
            return answered
        events = elements(body)
        if events is not None:
            async with self._one_list:  # one after another: what they hold is many times their size
                return await _list(events, partial(self._predicted, served, entry), CHUNK)
        event = served.decoder.event(body)
        row = served.predictor.row(event)
        if entry is not None:
            entry.asked((event,), (body,))
        contents = served.predictor.contents(await served.batcher.predict(row))
        if entry is not None:
            entry.answered((vector(row),), contents)
        return contents

    def _at_once(self, served: Served, entry: Entry | None, body: bytes) -> list[bytes] | None:
        """The answers of a list that one turn of the loop has time for, if all is as wanted."""
        if body[:1] != b"[" or len(body) > LARGE_LIST or body.count(b"{") > AT_ONCE:
            return None
        columns = served.decoder.exact_list(body)
        matrix = served.predictor.exact.matrix(columns) if columns is not None else None
        if columns is None or matrix is None:
            return None
        if entry is not None:
            entry.asked_exactly(columns, partial(bodies_of, body))
        return self._said(served, entry, matrix)

    def _predicted(
        self, served: Served, entry: Entry | None, bodies: list[bytes], start: int
    ) -> list[bytes]:
        columns = served.decoder.exact_list(b"[%b]" % b",".join(bodies))
        matrix = served.predictor.exact.matrix(columns) if columns is not None else None
        if columns is None or matrix is None:
            events = _events(served, bodies, start)
            matrix = served.predictor.encode(events, start)
            if entry is not None:
                entry.asked(events, bodies, start)
        elif entry is not None:
            entry.asked_exactly(columns, lambda: bodies, start)
        return self._said(served, entry, matrix)

    def _said(self, served: Served, entry: Entry | None, matrix: Matrix) -> list[bytes]:
        predictor = served.predictor
        if entry is None or len(matrix) < BESIDE:
            contents = predictor.contents(predictor.numbers(matrix))
            if entry is not None:
                entry.answered(vectors(matrix), contents)
            return contents
        numbers = partial(predictor.numbers, matrix)
        raw = self._beside.both(numbers, lambda: entry.encoded(vectors(matrix)))
        contents = predictor.contents(raw)
        entry.predicted(contents)
        return contents


async def _list(
    events: list[msgspec.Raw], answer: Callable[[list[bytes], int], list[bytes]], chunk: int
) -> list[bytes]:
    """The answers of a list as JSON, `chunk` events between two turns of the event loop."""
    answers: list[bytes] = []
    for start in range(0, len(events), chunk):
        if start:
            await asyncio.sleep(0)
        answers += answer([bytes(raw) for raw in events[start : start + chunk]], start)
    return answers


def _events(served: Served, bodies: list[bytes], start: int) -> list[Event]:
    return [served.decoder.event(body, row) for row, body in enumerate(bodies, start)]


def _explained(served: Served, bodies: list[bytes], start: int) -> list[bytes]:
    return list(map(_encode, served.explain(_events(served, bodies, start), start)))


def _answer(request: Request, served: Version, contents: list[bytes]) -> Answer:
    request.rows = len(contents)
    said = served.opening, request.id, b",".join(contents)
    return 200, b'%b%b","predictions":[%b]}' % said, JSON
