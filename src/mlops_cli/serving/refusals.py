"""What a connection answers by itself, before and beside the application."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from http import HTTPStatus

import msgspec

from mlops_cli.serving.requests import MAX_BODY, error_body
from mlops_cli.serving.routes import Header, request_id

HEADERS = 100  # of one request
RETRY_AFTER = b"1"  # seconds

Fault = tuple[int, str]  # a status, and the message that says why
NO_HTTP: Fault = 400, "this is not HTTP that can be read"
TOO_LONG: Fault = 413, f"the body is larger than {MAX_BODY // 2**20} MiB: send fewer rows"
FULL: Fault = 503, "too many requests: ask again after a second"


class Refused(Exception):
    """Raised in a callback of a parser, to stop it."""


def headers(limit: int) -> Fault:
    """Too many of them, or larger than `limit` bytes."""
    return 431, f"the headers are larger than {limit} bytes, or more than {HEADERS}"


def url(limit: int) -> Fault:
    """Longer than `limit` bytes."""
    return 414, f"the URL is longer than {limit} bytes"


def late(part: str, seconds: float) -> Fault:
    """A part of a request, header or body, that did not come in time."""
    return 408, f"the request's {part} did not come within {seconds:.0f} s"


def phrase(status: int) -> str:
    """A status as its line says it: `408 Request Timeout`."""
    return f"{status} {HTTPStatus(status).phrase}"


class Openings:
    """How answers with JSON to a request that has an id begin, up to that id."""

    def __init__(self) -> None:
        self._own: Sequence[tuple[bytes, bytes]] | None = None
        self._made: dict[int, bytes] = {}

    def of(self, status: int, own: Sequence[tuple[bytes, bytes]]) -> bytes:
        """Of a status; `own` are the server's own headers, another list when they change."""
        if own is not self._own:
            self._own = own
            self._made.clear()
        made = self._made.get(status)
        if made is None:
            lines = b"".join(b"%b: %b\r\n" % header for header in own)
            made = b"HTTP/1.1 %b\r\n%b" % (phrase(status).encode(), lines)
            made = self._made[status] = made + b"content-type: application/json\r\nx-request-id: "
        return made


def content(opening: bytes, request_id: bytes, body: bytes, *, closes: bool) -> bytes:
    """The whole answer with a body of JSON; `opening` is one of `Openings`."""
    close = b"connection: close\r\n" if closes else b""
    return b"%b%b\r\n%bcontent-length: %d\r\n\r\n%b" % (
        opening,
        request_id,
        close,
        len(body),
        body,
    )


def answer(
    status: int,
    message: str,
    *,
    keep_alive: bool,
    url: bytes = b"",
    headers: Iterable[Header] = (),
) -> bytes:
    """The whole answer to a request of which so much is known: in the form of its protocol."""
    v2 = url.partition(b"?")[0].split(b"/")[:2] == [b"", b"v2"]
    body = msgspec.json.encode({"error": message}) if v2 else error_body(message)
    head = [
        b"HTTP/1.1 " + phrase(status).encode(),
        b"content-type: application/json",
        b"x-request-id: " + request_id(headers),
        b"content-length: %d" % len(body),
    ]
    if status == HTTPStatus.SERVICE_UNAVAILABLE:
        head.append(b"retry-after: " + RETRY_AFTER)
    if not keep_alive:
        head.append(b"connection: close")
    return b"\r\n".join([*head, b"", body])
