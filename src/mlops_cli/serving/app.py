"""The server's interface: a bare ASGI application, since a framework costs two thirds of it."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import re
import time
import uuid
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

import msgspec

from mlops_cli.bundle.reader import Bundle
from mlops_cli.serving.admission import Admission
from mlops_cli.serving.contract import DOCUMENT, HEALTH, METRICS, PREDICT, READY, TRY
from mlops_cli.serving.metrics import CONTENT_TYPE, Metrics
from mlops_cli.serving.micro_batch import MicroBatcher
from mlops_cli.serving.openapi import openapi
from mlops_cli.serving.page import Page
from mlops_cli.serving.predictions import Prediction
from mlops_cli.serving.predictor import Predictor
from mlops_cli.serving.requests import EventDecoder, RequestError, elements, error_body
from mlops_cli.serving.settings import Limits

log = logging.getLogger(__name__)

Scope = Mapping[str, Any]
Receive = Callable[[], Awaitable[Mapping[str, Any]]]
Send = Callable[[Mapping[str, Any]], Awaitable[None]]
Header = tuple[bytes, bytes]
Answer = tuple[int, bytes, *tuple[Header, ...]]  # status, body, headers

CHUNK = 500  # rows of a list between two turns of the event loop, so that others are answered
SANE_ID = re.compile(rb"[A-Za-z0-9][A-Za-z0-9._:/+=@-]{0,127}")
_JSON: Header = (b"content-type", b"application/json")
_CLOSE: Header = (b"connection", b"close")
_encode = msgspec.json.Encoder().encode


class App:
    """Answers with one model, until `admission` says that it drains: then /readyz is 503."""

    def __init__(
        self, bundle: Bundle, predictor: Predictor, admission: Admission | None = None
    ) -> None:
        self._admission = admission or Admission(Limits(), Metrics(bundle))
        self._metrics = self._admission.metrics
        self._manifest = bundle.manifest
        self._digest = bundle.digest
        self._version = bundle.version
        self._predictor = predictor
        self._batcher = MicroBatcher(predictor)
        self._decoder = EventDecoder([i.name for i in bundle.manifest.inputs])
        self._one_list = asyncio.Lock()
        example = next(bundle.golden()).inputs
        self._openapi = _encode(openapi(bundle, example))
        self._page = Page(bundle, example)
        self._pages = {
            HEALTH: self._health,
            READY: self._ready,
            METRICS: self._exposition,
            DOCUMENT: self._document,
            **dict.fromkeys(TRY, self._try),
        }

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One HTTP request, as ASGI 3 has it."""
        with contextlib.suppress(asyncio.CancelledError):  # the client left, which was counted
            await self._request(scope, receive, send)

    async def _request(self, scope: Scope, receive: Receive, send: Send) -> None:
        path = scope["path"]
        if path == PREDICT:
            if scope["method"] == "POST":
                await self._predict(scope, receive, send)
            else:
                await self._refuse_method(scope, send, b"POST")
            return
        page = self._pages.get(path)
        if page is None:
            self._metrics.count(404)
            await self._send(send, 404, error_body(f"there is no {path[:200]}"), [_JSON])
        elif scope["method"] in ("GET", "HEAD"):
            status, body, *headers = page()
            await self._send(send, status, body, headers)
        else:
            await self._refuse_method(scope, send, b"GET, HEAD")

    async def _predict(self, scope: Scope, receive: Receive, send: Send) -> None:
        request_id = _request_id(scope["headers"])
        started = time.perf_counter()
        status, predictions, headers = 500, 0, [_JSON, (b"x-request-id", request_id)]
        try:
            answers = await self._answer((await receive())["body"])
            status, predictions = 200, len(answers)
            content = self._content(request_id, answers)
        except RequestError as e:
            status, content = e.status, error_body(e.message, e.field, e.row)
        except Exception:  # logged whole; the client gets JSON and the id
            log.exception("request %s failed", request_id.decode("ascii"))
            content = error_body("the server failed; its log names this request's id")
        await self._send(send, status, content, headers)
        self._metrics.answered(status, time.perf_counter() - started, predictions)

    async def _answer(self, body: bytes) -> list[Prediction]:
        events = elements(body)
        if events is not None:
            async with self._one_list:  # one after another: what they hold is many times their size
                return await self._answer_list(events)
        row = self._predictor.row(self._decoder.event(body))
        return self._predictor.answers(await self._batcher.predict(row))

    async def _answer_list(self, events: list[msgspec.Raw]) -> list[Prediction]:
        answers: list[Prediction] = []
        for start in range(0, len(events), CHUNK):
            if start:
                await asyncio.sleep(0)
            raws = enumerate(events[start : start + CHUNK], start)
            chunk = [self._decoder.event(bytes(raw), row) for row, raw in raws]
            answers += self._predictor.predict(chunk, start)
        return answers

    def _content(self, request_id: bytes, answers: list[Prediction]) -> bytes:
        return _encode(
            {
                "model": self._manifest.project,
                "version": self._version,
                "request_id": request_id.decode("ascii"),
                "predictions": answers,
            }
        )

    def _health(self) -> Answer:
        return 200, b'{"status":"ok"}', _JSON

    def _ready(self) -> Answer:
        ready = not self._admission.draining
        state = {
            "ready": ready,
            "model": self._manifest.project,
            "version": self._version,
            "digest": self._digest,
        }
        return 200 if ready else 503, _encode(state), _JSON

    def _exposition(self) -> Answer:
        return 200, self._metrics.exposition(), (b"content-type", CONTENT_TYPE)

    def _document(self) -> Answer:
        return 200, self._openapi, _JSON

    def _try(self) -> Answer:
        return (
            200,
            self._page.content,
            (b"content-type", b"text/html; charset=utf-8"),
            (b"content-security-policy", self._page.policy),
            (b"x-content-type-options", b"nosniff"),
            (b"referrer-policy", b"no-referrer"),
            (b"cache-control", b"no-cache"),  # the next model has another page
        )

    async def _refuse_method(self, scope: Scope, send: Send, allowed: bytes) -> None:
        self._metrics.count(405)
        message = f"{scope['path']} takes {allowed.decode()}, not {scope['method'][:20]}"
        await self._send(send, 405, error_body(message), [_JSON, (b"allow", allowed)])

    async def _send(self, send: Send, status: int, body: bytes, headers: list[Header]) -> None:
        headers.append((b"content-length", b"%d" % len(body)))
        if self._admission.draining:
            headers.append(_CLOSE)
        await send({"type": "http.response.start", "status": status, "headers": headers})
        await send({"type": "http.response.body", "body": body})


def _request_id(headers: list[Header]) -> bytes:
    for name, value in headers:
        if name == b"x-request-id" and SANE_ID.fullmatch(value):
            return value
    return uuid.uuid4().hex.encode()
