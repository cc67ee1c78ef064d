"""How a deployed server is reached, and which version it says it serves."""

from __future__ import annotations

import http.client
import ssl
from collections.abc import Callable
from typing import TypeVar

import msgspec

from mlops_cli._poll import wait_until
from mlops_cli.serving.contract import READY

_ANSWER_LIMIT = 5.0  # seconds that /readyz may take
_PATIENCE = 10.0  # seconds of silence before a server counts as one that does not answer
_REACHED_BY = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104  any address: how to reach it

_T = TypeVar("_T")


class _Answer(msgspec.Struct, frozen=True):
    digest: str = ""


def url_of(host: str, port: int, *, tls: bool = False) -> str:
    """The URL, with no slash at its end, of a server that listens on `host`."""
    host = _REACHED_BY.get(host, host)
    scheme = "https" if tls else "http"
    return f"{scheme}://[{host}]:{port}" if ":" in host else f"{scheme}://{host}:{port}"


def ready_digest(host: str, port: int, *, tls: bool = False) -> str | None:
    """The digest of the bundle that `/readyz` answers ready with; None where nothing does.

    With `tls` any certificate will do: it is of the name that clients use, and nothing is told.
    """
    connection = connection_to(_REACHED_BY.get(host, host), port, tls=tls)
    try:
        connection.request("GET", READY)
        response = connection.getresponse()
        answer = msgspec.json.decode(response.read(), type=_Answer)
    except (OSError, http.client.HTTPException, msgspec.DecodeError):
        return None
    finally:
        connection.close()
    return answer.digest if response.status == http.HTTPStatus.OK and answer.digest else None


def connection_to(
    host: str, port: int | None, *, tls: bool, limit: float = _ANSWER_LIMIT
) -> http.client.HTTPConnection:
    """A connection, not open yet, that waits so many seconds; with `tls` by any certificate."""
    if not tls:
        return http.client.HTTPConnection(host, port, timeout=limit)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    return http.client.HTTPSConnection(host, port, timeout=limit, context=context)


def soon(look: Callable[[], _T], seconds: float = _PATIENCE) -> _T:
    """The first answer of `look` that is true, or the last of so many seconds.

    A machine may stand still for the moment of one look: that alone says nothing of a server.
    """
    return wait_until(look, seconds=seconds)
