"""The control endpoint of a server for rollouts, asked with the secret of its deployment."""

from __future__ import annotations

import http.client
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from http import HTTPStatus
from urllib.parse import urlsplit

import msgspec

from mlops_cli.errors import EnvironmentFault, UsageError
from mlops_cli.serving.rollouts.arms import Tally
from mlops_cli.targets.base import Counted, RolloutMoved
from mlops_cli.targets.readiness import connection_to

PATH = "/v1/admin/rollout"
_SHOWN = 500
_LIMIT = 150.0  # seconds: every worker may have to load a version first
_QUICK = 10.0


class Away(EnvironmentFault):
    """The server does not answer."""


class Unrouted(EnvironmentFault):
    """The server is of a release, or has settings, that know no rollouts; or the secret is old."""


class Busy(EnvironmentFault):
    """The server answers, and could not do what was asked: nothing has changed."""


class _Told(msgspec.Struct, frozen=True):
    boot: str
    now: datetime
    document: msgspec.Raw = msgspec.Raw(b"null")
    tallies: tuple[Tally, ...] = ()


class _Fault(msgspec.Struct, frozen=True):
    message: str = ""


class _Refusal(msgspec.Struct, frozen=True):
    error: _Fault = _Fault()


@dataclass(frozen=True, slots=True)
class Server:
    """A server as messages name it, and how it is asked.

    `ask` takes a method, a body, and seconds, and returns the status and the body of the answer of
    `PATH`; it raises `Away` where there is none.
    """

    name: str
    ask: Callable[[str, bytes | None, float], tuple[int, bytes]]


def at(url: str, secret: str) -> Server:
    """The server at a URL, asked from here."""

    def ask(method: str, body: bytes | None, limit: float) -> tuple[int, bytes]:
        return _ask(url, secret, method, body, limit)

    return Server(url, ask)


def counted(server: Server) -> Counted:
    """What the server counted; raises `Away` where it does not answer."""
    return _counted(server, *server.ask("GET", None, _QUICK))


def put(server: Server, document: bytes | None, *, after: int | None) -> Counted:
    """Have the server obey this document; returns when each of its workers does.

    Raises `RolloutMoved` where its own is not of the generation `after` (None: it is not older),
    `UsageError` where it cannot load the candidate, `Busy` where not every worker could follow,
    `Unrouted` where it knows no rollouts, and `Away` where it does not answer.
    """
    body = msgspec.json.encode(
        {"after": after, "document": msgspec.Raw(document if document is not None else b"null")}
    )
    return _counted(server, *server.ask("PUT", body, _LIMIT))


def _counted(server: Server, status: int, said: bytes) -> Counted:
    if status != HTTPStatus.OK:
        raise _refused(server.name, status, said)
    try:
        found = msgspec.json.decode(said, type=_Told)
    except msgspec.DecodeError as e:
        raise Away(f"{server.name}{PATH} answers what is no rollout: {e}") from e
    document = bytes(found.document)
    kept = None if document == b"null" else document
    return Counted(found.boot, found.now, kept, found.tallies)


def _ask(url: str, secret: str, method: str, body: bytes | None, limit: float) -> tuple[int, bytes]:
    headers = {"Authorization": f"Bearer {secret}", "Content-Type": "application/json"}
    where = urlsplit(url)
    tls = where.scheme == "https"
    connection = connection_to(where.hostname or "", where.port, tls=tls, limit=limit)
    try:
        connection.request(method, PATH, body, headers)
        response = connection.getresponse()
        return response.status, response.read()
    except (OSError, http.client.HTTPException) as e:
        why = str(e)[:_SHOWN] or type(e).__name__
        raise Away(f"{url} does not answer: {why}", hint="mlops logs") from e
    finally:
        connection.close()


_KINDS: Mapping[int, type[EnvironmentFault] | type[UsageError]] = {
    HTTPStatus.CONFLICT: RolloutMoved,
    HTTPStatus.UNPROCESSABLE_ENTITY: UsageError,
    HTTPStatus.SERVICE_UNAVAILABLE: Busy,
}


def _refused(url: str, status: int, said: bytes) -> Exception:
    try:
        why = msgspec.json.decode(said, type=_Refusal).error.message
    except msgspec.DecodeError:
        why = said.decode(errors="replace")
    kind = _KINDS.get(status, Unrouted)
    return kind(f"{url}{PATH} answers with {status}: {why[:_SHOWN]}", hint="mlops logs")
