"""The control endpoint of a server for rollouts, asked with the secret of its deployment."""

from __future__ import annotations

import http.client
from collections.abc import Mapping
from datetime import datetime
from http import HTTPStatus
from urllib.parse import urlsplit

import msgspec

from mlops_cli.errors import EnvironmentFault, UsageError
from mlops_cli.serving.arms import Tally
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


def counted(url: str, secret: str) -> Counted:
    """What the server at `url` counted; raises `Away` where it does not answer."""
    return _counted(url, _ask(url, secret, "GET", None, _QUICK))


def put(url: str, secret: str, document: bytes | None, *, after: int | None) -> Counted:
    """Have the server obey this document; returns when each of its workers does.

    Raises `RolloutMoved` where its own is not of the generation `after` (None: it is not older),
    `UsageError` where it cannot load the candidate, `Busy` where not every worker could follow,
    `Unrouted` where it knows no rollouts, and `Away` where it does not answer.
    """
    body = msgspec.json.encode(
        {"after": after, "document": msgspec.Raw(document if document is not None else b"null")}
    )
    return _counted(url, _ask(url, secret, "PUT", body, _LIMIT))


def _counted(url: str, said: bytes) -> Counted:
    try:
        found = msgspec.json.decode(said, type=_Told)
    except msgspec.DecodeError as e:
        raise Away(f"{url}{PATH} answers what is no rollout: {e}") from e
    document = bytes(found.document)
    kept = None if document == b"null" else document
    return Counted(found.boot, found.now, kept, found.tallies)


def _ask(url: str, secret: str, method: str, body: bytes | None, limit: float) -> bytes:
    headers = {"Authorization": f"Bearer {secret}", "Content-Type": "application/json"}
    at = urlsplit(url)
    connection = connection_to(at.hostname or "", at.port, tls=at.scheme == "https", limit=limit)
    try:
        connection.request(method, PATH, body, headers)
        response = connection.getresponse()
        said = response.read()
    except (OSError, http.client.HTTPException) as e:
        why = str(e)[:_SHOWN] or type(e).__name__
        raise Away(f"{url} does not answer: {why}", hint="mlops logs") from e
    finally:
        connection.close()
    if response.status == HTTPStatus.OK:
        return said
    raise _refused(url, response.status, said)


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
