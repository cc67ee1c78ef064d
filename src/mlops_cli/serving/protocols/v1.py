"""Our own protocol: an event or a list of events as JSON, to a prediction each."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from functools import partial

import msgspec

from mlops_cli.serving.contract import EXPLAIN, PREDICT
from mlops_cli.serving.log import Entry, PredictionLog, vector
from mlops_cli.serving.predictions import Prediction
from mlops_cli.serving.requests import Event, RequestError, elements
from mlops_cli.serving.routes import JSON, Answer, Request, Route
from mlops_cli.serving.versions import Served, Versions

CHUNK = 500  # rows of a list between two turns of the event loop, so that others are answered
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
        served = request.served = self._versions.find(**request.parameters)
        if self._log is not None:
            request.entry = self._log.begin(served.bundle, request.id, request.key, served.variant)
        return _answer(request, served, await self._answers(served, request.body, request.entry))

    async def explain(self, request: Request) -> Answer:
        """A prediction for each event, with what each feature contributes to it."""
        served = request.served = self._versions.find(**request.parameters)
        events = elements(request.body)
        if events is None:
            return _answer(request, served, served.explain([served.decoder.event(request.body)]))
        if len(events) > EXPLAINED:
            raise RequestError(413, f"at most {EXPLAINED} events are explained at a time")
        answers = partial(_explained, served)
        async with self._one_list:
            return _answer(request, served, await _list(events, answers, EXPLAINED_AT_ONCE))

    async def _answers(self, served: Served, body: bytes, entry: Entry | None) -> list[Prediction]:
        events = elements(body)
        if events is not None:
            async with self._one_list:  # one after another: what they hold is many times their size
                return await _list(events, partial(_predicted, served, entry), CHUNK)
        event = served.decoder.event(body)
        row = served.predictor.row(event)
        if entry is not None:
            entry.asked((event,), (body,))
        answers = served.predictor.answers(await served.batcher.predict(row))
        if entry is not None:
            entry.answered((vector(row),), map(_encode, answers))
        return answers


async def _list(
    events: list[msgspec.Raw], answer: Callable[[list[bytes], int], list[Prediction]], chunk: int
) -> list[Prediction]:
    """The answers of a list, `chunk` events between two turns of the event loop."""
    answers: list[Prediction] = []
    for start in range(0, len(events), chunk):
        if start:
            await asyncio.sleep(0)
        answers += answer([bytes(raw) for raw in events[start : start + chunk]], start)
    return answers


def _events(served: Served, bodies: list[bytes], start: int) -> list[Event]:
    return [served.decoder.event(body, row) for row, body in enumerate(bodies, start)]


def _explained(served: Served, bodies: list[bytes], start: int) -> list[Prediction]:
    return served.explain(_events(served, bodies, start), start)


def _predicted(
    served: Served, entry: Entry | None, bodies: list[bytes], start: int
) -> list[Prediction]:
    events = _events(served, bodies, start)
    matrix = served.predictor.encode(events, start)
    if entry is not None:
        entry.asked(events, bodies, start)
    answers = served.predictor.answers(served.predictor.numbers(matrix))
    if entry is not None:
        entry.answered((row.tobytes() for row in matrix), map(_encode, answers))
    return answers


def _answer(request: Request, served: Served, answers: list[Prediction]) -> Answer:
    request.rows = len(answers)
    content = {
        "model": served.model,
        "version": served.version,
        "request_id": request.id.decode("ascii"),
        "predictions": answers,
    }
    return 200, _encode(content), JSON
