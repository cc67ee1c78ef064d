"""The server's interface: a bare ASGI application, since a framework costs two thirds of it."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from typing import Any

from mlops_cli.bundle.reader import Bundle
from mlops_cli.serving.admission import Admission
from mlops_cli.serving.auth import ControlSecret, Keys, KeyScope
from mlops_cli.serving.cache import open_cache
from mlops_cli.serving.following import Follower
from mlops_cli.serving.logs import Logs
from mlops_cli.serving.metrics import NONE, Metrics
from mlops_cli.serving.one_event import OneEvents
from mlops_cli.serving.pages import Pages
from mlops_cli.serving.predictor import Predictor
from mlops_cli.serving.protocols.admin import Admin, Listing
from mlops_cli.serving.protocols.feedback import Feedback
from mlops_cli.serving.protocols.rollout import RolloutPages
from mlops_cli.serving.protocols.v1 import V1
from mlops_cli.serving.protocols.v2 import V2
from mlops_cli.serving.requests import RequestError, error_body
from mlops_cli.serving.rollouts.board import RolloutBoard
from mlops_cli.serving.rollouts.worker import Rollouts
from mlops_cli.serving.roster import Roster
from mlops_cli.serving.routes import (
    FAILED,
    JSON,
    Answer,
    Header,
    Request,
    Route,
    Routes,
    request_id,
)
from mlops_cli.serving.served import Served, Stores, Version
from mlops_cli.serving.settings import Settings
from mlops_cli.serving.tracing import Span, open_tracing
from mlops_cli.serving.versions import Versions

log = logging.getLogger(__name__)

Scope = Mapping[str, Any]
Receive = Callable[[], Awaitable[Mapping[str, Any]]]
Send = Callable[[Mapping[str, Any]], Awaitable[None]]

_CLOSE: Header = (b"connection", b"close")


class App:
    """Finds what answers a request, holds it to its key, and counts it.

    Without `settings.keys` whoever reaches the port is answered, and versions are changed by who
    has the control secret alone. That takes a `roster`, which all workers follow. Without `logs`
    nothing is kept. `board` is where all workers see a rollout, and `worker` this one's place.
    """

    def __init__(
        self,
        bundle: Bundle,
        predictor: Predictor,
        admission: Admission | None = None,
        settings: Settings = Settings(),  # noqa: B008  # frozen
        roster: Roster | None = None,
        logs: Logs | None = None,
        board: RolloutBoard | None = None,
        worker: int = 0,
    ) -> None:
        self.admission = admission or Admission(settings.limits, Metrics())
        self._metrics = self.admission.metrics
        self._keys = Keys(Path(settings.keys)) if settings.keys else None
        stores = Stores(self._metrics, open_cache(settings.cache), settings.online)
        self._control = ControlSecret(Path(settings.control)) if settings.control else None
        self.versions = versions = Versions(Served(bundle, predictor, stores))
        self.predictions = kept = logs.predictions if logs else None
        self.tracing = open_tracing(bundle.manifest.project)
        self.one_events = OneEvents(versions, self._metrics, self._keys, kept, self.tracing)
        self.rollout = None
        if board is not None:
            self.rollout = Rollouts(board, worker, self.one_events, settings)
        pages = Pages(
            versions,
            self.admission,
            protected=settings.metrics == "protected",
            keys=self._keys,
            rollout=self.rollout.exposition if self.rollout is not None else tuple,
        )
        protocols = V1(versions, kept), V2(versions, self.admission, kept), Listing(versions)
        routes = [route for p in (*protocols, pages) for route in p.routes()]
        routes += Feedback(versions, logs.labels).routes() if logs else []
        self._follower: Follower | None = None
        if roster is not None:
            self._follower = Follower(roster, versions, self._metrics, stores, settings.trust)
            self._follower.catch_up()
            admin = Admin(versions, roster, self._follower, self._metrics, settings)
            routes += admin.routes()
        if self.rollout is not None:
            routes += RolloutPages(self.rollout.changes).routes()
        self._routes = Routes(routes)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One HTTP request, as ASGI 3 has it."""
        with contextlib.suppress(asyncio.CancelledError):  # the client left, which was counted
            headers: list[Header] = scope["headers"]
            request = Request(
                scope["method"],
                scope["path"],
                headers,
                (await receive())["body"],
                request_id(headers),
                time.perf_counter(),
            )
            await self._send(send, request, await self.answer(request))

    async def begin(self) -> None:
        """Before the first request: have the candidate of a rollout that runs."""
        if self.rollout is not None and self.rollout.behind:
            await self.rollout.follow()

    def end(self) -> None:
        """After the last one."""
        if self.rollout is not None:
            self.rollout.end()

    def look(self) -> None:
        """See what changed beside the process; for once a second."""
        if self.rollout is not None:
            self.rollout.look()
        for watched in (self._keys, self._control):
            if watched is not None:
                watched.look()

    async def follow(self) -> None:
        """See whether another worker changed the versions; for ten times a second."""
        if self._follower is not None and self._follower.behind:
            await self._follower.follow()
        if self.rollout is not None and self.rollout.behind:
            await self.rollout.follow()

    async def answer(self, request: Request, routes: Routes | None = None) -> Answer:
        """The answer to a request, which is counted; `routes`: of another way to be asked."""
        if not self.tracing.wanted(request.headers, request.method):
            return await self._answer(request, routes)
        span = self.tracing.begin(request.method, request.headers)
        request.trace = span.trace
        status = 499  # the client left
        try:
            answer = await self._answer(request, routes)
            status = answer[0]
        finally:
            _end(span, request, status)
        return answer

    async def _answer(self, request: Request, routes: Routes | None) -> Answer:
        found = (routes or self._routes).find(request.path)
        if found is None:
            self._metrics.count(404)
            return 404, error_body(f"there is no {request.path[:200]}"), JSON
        route, request.parameters = found
        request.route = route.path
        handler = route.handler(request.method)
        try:
            if handler is None:
                said = f"{request.path} takes {route.allowed}, not {request.method[:20]}"
                raise RequestError(405, said, headers=((b"allow", route.allowed.encode()),))
            if route.scope is not None:
                request.key = self._key_of(request, route, route.scope)
            answer = await handler(request)
        except RequestError as e:
            request.entry = None
            headers = JSON, *e.headers
            answer = e.status, route.error(e.message, e.field, e.row), *headers
        except Exception as e:  # logged whole; the client gets JSON and the id
            if request.entry is not None:
                request.entry.failed(type(e).__name__)
            trace = {"trace": request.trace}
            log.exception("request %s failed", request.id.decode("ascii"), extra=trace)
            answer = 500, route.error(FAILED, None, None), JSON
        if route.asks_model:
            seconds = time.perf_counter() - request.started
            self._metrics.answered(answer[0], seconds, request.rows, *_asked(request.served))
            if request.entry is not None:
                request.entry.end(seconds)
        return answer

    def _key_of(self, request: Request, route: Route, scope: KeyScope) -> str | None:
        """The name of the key that the request comes with; None where it needs none.

        Raises what `Keys.check` does; without keys 404, unless it may go there all the same.
        """
        control = self._control if route.control else None
        if control is not None and control.given(request.headers):
            return None
        if self._keys is not None:
            return self._keys.check(request.headers, scope)
        if scope == "admin":  # as if it were not there
            self._metrics.count(404)
            raise RequestError(404, f"there is no {request.path[:200]}")
        return None

    async def _send(self, send: Send, request: Request, answer: Answer) -> None:
        status, body, *headers = answer
        headers += (b"x-request-id", request.id), (b"content-length", b"%d" % len(body))
        if request.trace is not None:
            headers.append(request.trace.header)
        if self.admission.draining:
            headers.append(_CLOSE)
        await send({"type": "http.response.start", "status": status, "headers": headers})
        await send({"type": "http.response.body", "body": body})


def _end(span: Span, request: Request, status: int) -> None:
    served = request.served
    span.end(
        status,
        method=request.method,
        path=request.path[:200],
        route=request.route,
        request_id=request.id.decode("ascii"),
        model=served.model if served is not None else None,
        version=served.version if served is not None else None,
        rows=request.rows or None,
    )


def _asked(served: Version | None) -> tuple[str, str]:
    return (served.variant, served.version) if served is not None else (NONE, NONE)
