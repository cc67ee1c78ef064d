"""The table of what a server answers: a path and a method lead to a handler, and to its scope."""

from __future__ import annotations

import os
import re
from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass, field

from mlops_cli.serving.auth import KeyScope
from mlops_cli.serving.entry import Lines
from mlops_cli.serving.requests import error_body
from mlops_cli.serving.served import Version
from mlops_cli.serving.tracing import Trace

Header = tuple[bytes, bytes]
Answer = tuple[int, bytes, *tuple[Header, ...]]  # status, body, headers
JSON: Header = (b"content-type", b"application/json")

FAILED = "the server failed; its log names this request's id"
SANE_ID = re.compile(rb"[A-Za-z0-9][A-Za-z0-9._:/+=@-]{0,127}")  # of a request

_IDS = 128  # that are made at once
_ids: list[bytes] = []
os.register_at_fork(after_in_child=_ids.clear)  # no two processes give the same
_NO_PARAMETERS: Mapping[str, str] = {}


def request_id(headers: Iterable[Header]) -> bytes:
    """The id that a request brings, or a new one: 32 hex digits."""
    for name, value in headers:
        if name == b"x-request-id" and SANE_ID.fullmatch(value):
            return value
    return new_id()


def new_id() -> bytes:
    """128 random bits. The kernel gives those of many ids: to ask for each takes longer."""
    if not _ids:
        digits = os.urandom(16 * _IDS).hex().encode()
        _ids.extend(digits[at : at + 32] for at in range(0, len(digits), 32))
    return _ids.pop()


@dataclass(slots=True)
class Request:
    """A whole request. `parameters` are the parts of its path that a route's pattern names.

    What becomes of it is noted here, for metrics and log: `key` is the name of the key that it
    came with, `served` the version that answers, `rows` the number of its predictions and `entry`
    what the prediction log is told;
    `trace` is its place in a trace, `route` the path of the table that was found.
    """

    method: str
    path: str
    headers: list[Header]
    body: bytes
    id: bytes
    started: float  # of `time.perf_counter`
    parameters: Mapping[str, str] = field(default_factory=dict)
    key: str | None = None
    served: Version | None = None
    rows: int = 0
    entry: Lines | None = None
    trace: Trace | None = None
    route: str | None = None


Handler = Callable[[Request], Awaitable[Answer]]
ErrorBody = Callable[[str, str | None, int | None], bytes]


@dataclass(frozen=True, slots=True)
class Route:
    """What answers at a path such as `/v1/models/{name}/predict`, by method; GET means HEAD, too.

    A handler raises `RequestError` for what it cannot answer; `error` makes such an answer's body
    of message, field and row. `scope` is what a key must be good for; None: no key is needed.
    `asks_model` is false of what is not counted among the requests: pages and health checks.
    `control`: whoever has the control secret needs no key.
    """

    path: str
    methods: Mapping[str, Handler]
    scope: KeyScope | None = None
    asks_model: bool = True
    error: ErrorBody = error_body
    control: bool = False

    def handler(self, method: str) -> Handler | None:
        """What answers to a method, if anything does."""
        return self.methods.get("GET" if method == "HEAD" else method)

    @property
    def allowed(self) -> str:
        """The methods, as the header `allow` names them."""
        names = (["GET", "HEAD"] if name == "GET" else [name] for name in self.methods)
        return ", ".join(name for several in names for name in several)


class Routes:
    """Finds a path's route: at once where it has no parameters."""

    def __init__(self, routes: Iterable[Route]) -> None:
        self._exact: dict[str, Route] = {}
        self._patterns: list[tuple[re.Pattern[str], Route]] = []
        for route in routes:
            if "{" in route.path:
                self._patterns.append((_pattern(route.path), route))
            else:
                self._exact[route.path] = route

    def find(self, path: str) -> tuple[Route, Mapping[str, str]] | None:
        """The route of a path and its parameters, or None."""
        route = self._exact.get(path)
        if route is not None:
            return route, _NO_PARAMETERS
        for pattern, route in self._patterns:
            if match := pattern.fullmatch(path):
                return route, match.groupdict()
        return None


def _pattern(path: str) -> re.Pattern[str]:
    """`{name}` takes one part of a path: what stands between two slashes."""
    parts = (f"(?P<{p[1:-1]}>[^/]+)" if p[:1] == "{" else re.escape(p) for p in path.split("/"))
    return re.compile("/".join(parts))
