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

from mlops_cli.bundle.reader import Bundle
from mlops_cli.serving.admission import Admission
from mlops_cli.serving.metrics import Metrics
from mlops_cli.serving.pages import Pages
from mlops_cli.serving.predictor import Predictor
from mlops_cli.serving.protocols.v1 import V1
from mlops_cli.serving.requests import RequestError, error_body
from mlops_cli.serving.routes import JSON, Answer, Header, KeyScope, Request, Routes
from mlops_cli.serving.settings import Limits
from mlops_cli.serving.versions import Served, Versions

log = logging.getLogger(__name__)

Scope = Mapping[str, Any]
Receive = Callable[[], Awaitable[Mapping[str, Any]]]
Send = Callable[[Mapping[str, Any]], Awaitable[None]]
# The name of the key that a request's headers bear, if that is good for the scope; raises
# `RequestError` (401, 403).
Authenticate = Callable[[list[Header], KeyScope], str]

SANE_ID = re.compile(rb"[A-Za-z0-9][A-Za-z0-9._:/+=@-]{0,127}")
_FAILED = "the server failed; its log names this request's id"
_CLOSE: Header = (b"connection", b"close")


class App:
    """Finds what answers a request, holds it to its key, and counts it.

    Without `authenticate` there are no keys, and whoever reaches the port is answered.
    """

    def __init__(
        self,
        bundle: Bundle,
        predictor: Predictor,
        admission: Admission | None = None,
        authenticate: Authenticate | None = None,
    ) -> None:
        self._admission = admission or Admission(Limits(), Metrics(bundle))
        self._metrics = self._admission.metrics
        self._authenticate = authenticate
        versions = Versions(Served(bundle, predictor))
        pages = Pages(versions, self._admission)
        self._routes = Routes([*V1(versions).routes(), *pages.routes()])

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One HTTP request, as ASGI 3 has it."""
        with contextlib.suppress(asyncio.CancelledError):  # the client left, which was counted
            headers: list[Header] = scope["headers"]
            request = Request(
                scope["method"],
                scope["path"],
                headers,
                (await receive())["body"],
                _request_id(headers),
                time.perf_counter(),
            )
            await self._send(send, request, await self.answer(request))

    async def answer(self, request: Request) -> Answer:
        """The answer to a request, which is counted."""
        found = self._routes.find(request.path)
        if found is None:
            self._metrics.count(404)
            return 404, error_body(f"there is no {request.path[:200]}"), JSON
        route, request.parameters = found
        handler = route.handler(request.method)
        try:
            if handler is None:
                said = f"{request.path} takes {route.allowed}, not {request.method[:20]}"
                raise RequestError(405, said)
            if self._authenticate is not None and route.scope is not None:
                request.key = self._authenticate(request.headers, route.scope)
            answer = await handler(request)
        except RequestError as e:
            answer = e.status, route.error(e.message, e.field, e.row), JSON
            if handler is None:
                answer = (*answer, (b"allow", route.allowed.encode()))
        except Exception:  # logged whole; the client gets JSON and the id
            log.exception("request %s failed", request.id.decode("ascii"))
            answer = 500, route.error(_FAILED, None, None), JSON
        if route.asks_model:
            seconds = time.perf_counter() - request.started
            self._metrics.answered(answer[0], seconds, request.rows)
        return answer

    async def _send(self, send: Send, request: Request, answer: Answer) -> None:
        status, body, *headers = answer
        headers += (b"x-request-id", request.id), (b"content-length", b"%d" % len(body))
        if self._admission.draining:
            headers.append(_CLOSE)
        await send({"type": "http.response.start", "status": status, "headers": headers})
        await send({"type": "http.response.body", "body": body})


def _request_id(headers: list[Header]) -> bytes:
    for name, value in headers:
        if name == b"x-request-id" and SANE_ID.fullmatch(value):
            return value
    return uuid.uuid4().hex.encode()
