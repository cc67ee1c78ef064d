"""The server's interface: a bare ASGI application, since a framework costs two thirds of it."""

from __future__ import annotations

import asyncio
import logging
import re
import time
import uuid
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from typing import Any

import msgspec

from mlops_cli.bundle.reader import Bundle
from mlops_cli.serving.encoder import RowEncoder
from mlops_cli.serving.metrics import CONTENT_TYPE, Metrics
from mlops_cli.serving.micro_batch import Coalescer
from mlops_cli.serving.models import Model
from mlops_cli.serving.openapi import openapi
from mlops_cli.serving.predictions import Prediction, render
from mlops_cli.serving.requests import MAX_BODY, Event, RequestError, decode_events

log = logging.getLogger(__name__)

Scope = Mapping[str, Any]
Receive = Callable[[], Awaitable[Mapping[str, Any]]]
Send = Callable[[Mapping[str, Any]], Awaitable[None]]
Header = tuple[bytes, bytes]

PREDICT = "/v1/predict"
CHUNK = 500  # rows of a list between two turns of the event loop, so that others are answered
READ = 8 * MAX_BODY  # bytes of a body that are read although it is refused
SANE_ID = re.compile(rb"[A-Za-z0-9][A-Za-z0-9._:/+=@-]{0,127}")
_JSON: Header = (b"content-type", b"application/json")
_CLOSE: Header = (b"connection", b"close")
_encode = msgspec.json.Encoder().encode


class App:
    """Answers with one model. While `draining`, /readyz is 503 and connections end."""

    def __init__(self, bundle: Bundle, model: Model, encoder: RowEncoder) -> None:
        self.draining = False
        self._manifest = bundle.manifest
        self._digest = bundle.digest
        self._version = bundle.version
        self._model = model
        self._encoder = encoder
        self._coalescer = Coalescer(model, encoder)
        self._metrics = Metrics(bundle)
        self._openapi = _encode(openapi(bundle))
        self._pages = {
            "/healthz": self._health,
            "/readyz": self._ready,
            "/metrics": self._exposition,
            "/openapi.json": self._document,
        }

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One HTTP request, as ASGI 3 has it."""
        path = scope["path"]
        if path == PREDICT:
            if scope["method"] == "POST":
                await self._predict(scope, receive, send)
            else:
                await self._refuse_method(scope, send, b"POST")
            return
        page = self._pages.get(path)
        if page is None:
            await self._send(send, 404, error_body(f"there is no {path[:200]}"), [_JSON])
        elif scope["method"] in ("GET", "HEAD"):
            status, body, header = page()
            await self._send(send, status, body, [header])
        else:
            await self._refuse_method(scope, send, b"GET, HEAD")

    async def _predict(self, scope: Scope, receive: Receive, send: Send) -> None:
        request_id = _request_id(scope["headers"])
        metrics = self._metrics
        metrics.in_flight += 1
        started = time.perf_counter()
        status, predictions, headers = 500, 0, [_JSON, (b"x-request-id", request_id)]
        try:
            try:
                body = await _body(scope["headers"], receive)
                started = time.perf_counter()
                answers = await self._answer(body)
                status, predictions = 200, len(answers)
                content = self._content(request_id, answers)
            except RequestError as e:
                status, content = e.status, error_body(e.message, e.field, e.row)
                if status == 413:
                    headers.append(_CLOSE)
            except Exception:  # logged whole; the client gets JSON and the id
                log.exception("request %s failed", request_id.decode("ascii"))
                content = error_body("the server failed; its log names this request's id")
            await self._send(send, status, content, headers)
        finally:
            metrics.in_flight -= 1
            metrics.answered(status, time.perf_counter() - started, predictions)

    async def _answer(self, body: bytes) -> list[Prediction]:
        events, many = decode_events(body)
        if many:
            return await self._answer_list(events)
        raw = await self._coalescer.predict(self._encoder.row(events[0]))
        return render(self._manifest, raw)

    async def _answer_list(self, events: list[Event]) -> list[Prediction]:
        answers: list[Prediction] = []
        for start in range(0, len(events), CHUNK):
            if start:
                await asyncio.sleep(0)
            chunk = events[start : start + CHUNK]
            matrix = self._encoder.encode(chunk, start)
            answers += render(self._manifest, self._model.predict(matrix))
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

    def _health(self) -> tuple[int, bytes, Header]:
        return 200, b'{"status":"ok"}', _JSON

    def _ready(self) -> tuple[int, bytes, Header]:
        ready = not self.draining
        state = {
            "ready": ready,
            "model": self._manifest.project,
            "version": self._version,
            "digest": self._digest,
        }
        return 200 if ready else 503, _encode(state), _JSON

    def _exposition(self) -> tuple[int, bytes, Header]:
        return 200, self._metrics.exposition(), (b"content-type", CONTENT_TYPE)

    def _document(self) -> tuple[int, bytes, Header]:
        return 200, self._openapi, _JSON

    async def _refuse_method(self, scope: Scope, send: Send, allowed: bytes) -> None:
        message = f"{scope['path']} takes {allowed.decode()}, not {scope['method'][:20]}"
        await self._send(send, 405, error_body(message), [_JSON, (b"allow", allowed)])

    async def _send(self, send: Send, status: int, body: bytes, headers: list[Header]) -> None:
        headers.append((b"content-length", b"%d" % len(body)))
        if self.draining:
            headers.append(_CLOSE)
        await send({"type": "http.response.start", "status": status, "headers": headers})
        await send({"type": "http.response.body", "body": body})


def _request_id(headers: list[Header]) -> bytes:
    for name, value in headers:
        if name == b"x-request-id" and SANE_ID.fullmatch(value):
            return value
    return uuid.uuid4().hex.encode()


async def _body(headers: list[Header], receive: Receive) -> bytes:
    """The whole body. A larger one than allowed is read to its end, for a client that still sends
    would see a reset and not the answer; one that says it is larger than `READ` is not begun."""
    _check(_declared(headers), READ)
    message = await receive()
    body: bytes = message.get("body", b"")
    if not message.get("more_body", False):
        _check(len(body), MAX_BODY)
        return body
    parts, size = [body], len(body)
    while message.get("more_body", False):
        message = await receive()
        if message["type"] == "http.disconnect":
            raise RequestError(400, "the client left before the body's end")
        part = message.get("body", b"")
        size += len(part)
        if size <= MAX_BODY:
            parts.append(part)
        elif size > READ:
            break
    _check(size, MAX_BODY)
    return b"".join(parts)


def _declared(headers: list[Header]) -> int:
    """The length that a request says its body has; 0 where it says none."""
    for name, value in headers:
        if name == b"content-length":
            with suppress(ValueError):  # thousands of zeros before it, which are valid HTTP
                return int(value)
    return 0


def _check(size: int, limit: int) -> None:
    if size > limit:
        raise RequestError(413, f"the body is larger than {MAX_BODY // 2**20} MiB: send fewer rows")


def error_body(message: str, field: str | None = None, row: int | None = None) -> bytes:
    """The content of every answer that is an error."""
    return _encode({"error": {"field": field, "message": message, "row": row}})
