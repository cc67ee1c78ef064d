"""JSON by POST, text by PUT: no redirect is followed, and no fault tells the address."""

from __future__ import annotations

import base64
import http.client
import ssl
import urllib.error
import urllib.request
from collections.abc import Mapping
from typing import Any
from urllib.parse import unquote, urlsplit, urlunsplit

import msgspec

from mlops_cli.alerts.sinks.base import SinkFault, without

_SECONDS = 10.0  # for each step of a request
_MOST = 64 * 1024  # bytes of an answer
_TRY_AGAIN = (401, 403, 404, 407, 408, 425, 429)  # the address, the key or the moment is wrong


class _Stay(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, *_: Any) -> None:
        """A message, and the key in its address, are for the one who was configured."""


_opener = urllib.request.build_opener(_Stay)


def post(url: str, body: object, headers: Mapping[str, str] | None = None) -> bytes:
    """The answer to a POST of `body` as JSON; a login in the URL becomes a header.

    Raises `SinkFault` for every answer that is not 2xx, redirects among them.
    """
    given = {"Content-Type": "application/json", **(headers or {})}
    return _send("POST", url, msgspec.json.encode(body), given)


def put_text(url: str, text: str) -> bytes:
    """The answer to a PUT of plain text; the same otherwise."""
    return _send("PUT", url, text.encode(), {"Content-Type": "text/plain; charset=utf-8"})


def _send(method: str, url: str, data: bytes, headers: Mapping[str, str]) -> bytes:
    address, login = _without_login(url)
    sent = {"User-Agent": "mlops-cli", **login, **headers}
    request = urllib.request.Request(  # noqa: S310  `_without_login` lets http and https alone pass
        address, data=data, headers=sent, method=method
    )
    try:
        with _opener.open(request, timeout=_SECONDS) as answer:
            return bytes(answer.read(_MOST))
    except urllib.error.HTTPError as e:
        with e:
            raise _fault(e.code, e.headers.get("Location"), e.read(_MOST), url) from None
    except (OSError, http.client.HTTPException, ValueError) as e:
        raise SinkFault(without(f"{_name(e)}: {e}", url, address, urlsplit(url).path)) from None


def _fault(code: int, to: str | None, answer: bytes, url: str) -> SinkFault:
    if 300 <= code < 400:
        host = urlsplit(to or "").hostname or "another place"
        return SinkFault(f"it answered {code}, to {host}, and a redirect is not followed")
    parts = urlsplit(url)
    said = without(answer.decode("utf-8", "replace")[:300], url, parts.path, parts.query)
    refused = 400 <= code < 500 and code not in _TRY_AGAIN
    return SinkFault(f"it answered {code}: {said}".removesuffix(": "), refused=refused)


def _without_login(url: str) -> tuple[str, dict[str, str]]:
    try:
        parts = urlsplit(url)
        host, port = parts.hostname, parts.port
    except ValueError:
        raise SinkFault("its address is no URL") from None
    if parts.scheme not in ("http", "https") or not host:
        raise SinkFault("its address is no URL that begins with http:// or https://")
    if parts.username is None:
        return url, {}
    name, password = unquote(parts.username), unquote(parts.password or "")
    both = base64.b64encode(f"{name}:{password}".encode()).decode()
    place = f"[{host}]" if ":" in host else host
    plain = parts._replace(netloc=f"{place}:{port}" if port else place)
    return urlunsplit(plain), {"Authorization": f"Basic {both}"}


def _name(e: BaseException) -> str:
    reason = getattr(e, "reason", e)
    if isinstance(reason, ssl.SSLCertVerificationError):
        return "its certificate is not trusted"
    return (
        "it does not answer in time" if isinstance(reason, TimeoutError) else "it cannot be reached"
    )
