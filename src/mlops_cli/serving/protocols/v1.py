"""Our own protocol: an event or a list of events as JSON, to a prediction each."""

from __future__ import annotations

import asyncio

import msgspec

from mlops_cli.serving.contract import PREDICT
from mlops_cli.serving.predictions import Prediction
from mlops_cli.serving.requests import elements
from mlops_cli.serving.routes import JSON, Answer, Request, Route
from mlops_cli.serving.versions import Served, Versions

CHUNK = 500  # rows of a list between two turns of the event loop, so that others are answered
MODEL = "/v1/models/{name}"
VERSION = MODEL + "/versions/{version}"
_encode = msgspec.json.Encoder().encode


class V1:
    """Its handlers, for the versions that are loaded."""

    def __init__(self, versions: Versions) -> None:
        self._versions = versions
        self._one_list = asyncio.Lock()

    def routes(self) -> list[Route]:
        """The table."""
        paths = PREDICT, f"{MODEL}/predict", f"{VERSION}/predict"
        return [Route(path, {"POST": self.predict}, "predict") for path in paths]

    async def predict(self, request: Request) -> Answer:
        """A prediction for each event."""
        served = request.served = self._versions.find(**request.parameters)
        answers = await self._answers(served, request.body)
        request.rows = len(answers)
        content = {
            "model": served.model,
            "version": served.version,
            "request_id": request.id.decode("ascii"),
            "predictions": answers,
        }
        return 200, _encode(content), JSON

    async def _answers(self, served: Served, body: bytes) -> list[Prediction]:
        events = elements(body)
        if events is not None:
            async with self._one_list:  # one after another: what they hold is many times their size
                return await _list(served, events)
        row = served.predictor.row(served.decoder.event(body))
        return served.predictor.answers(await served.batcher.predict(row))


async def _list(served: Served, events: list[msgspec.Raw]) -> list[Prediction]:
    answers: list[Prediction] = []
    for start in range(0, len(events), CHUNK):
        if start:
            await asyncio.sleep(0)
        raws = enumerate(events[start : start + CHUNK], start)
        chunk = [served.decoder.event(bytes(raw), row) for row, raw in raws]
        answers += served.predictor.predict(chunk, start)
    return answers
