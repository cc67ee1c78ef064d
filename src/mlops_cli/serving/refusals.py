"""What a connection answers by itself, before and beside the application."""

from __future__ import annotations

import random
from collections.abc import Iterable, Mapping, Sequence
from http import HTTPStatus
from typing import Any

import msgspec

from mlops_cli.serving.requests import MAX_BODY, error_body
from mlops_cli.serving.routes import Header, new_id, request_id

HEADERS = 100  # of one request
# Seconds, one at random: who is refused at the same moment is not to come back at the same moment.
RETRY_AFTER = (b"1", b"2", b"3")

Fault = tuple[int, str]  # a status, and the message that says why
NO_HTTP: Fault = 400, "this is not HTTP that can be read"
TOO_LONG: Fault = 413, f"the body is larger than {MAX_BODY // 2**20} MiB: send fewer rows"
FULL: Fault = 503, "too many requests: ask again after the seconds of Retry-After"
_FULL_BODY = error_body(FULL[1])


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
        self._made: dict[tuple[int, bytes], bytes] = {}

    def of(self, status: int, own: Sequence[tuple[bytes, bytes]]) -> bytes:
        """Of a status; `own` are the server's own headers, another list when they change."""
        if own is not self._own:
            self._own = own
            self._made.clear()
        again = _retry_after(status)
        made = self._made.get((status, again))
        if made is None:
            lines = b"".join(b"%b: %b\r\n" % header for header in own)
            made = b"HTTP/1.1 %b\r\n%b%b" % (phrase(status).encode(), lines, again)
            made += b"content-type: application/json\r\nx-request-id: "
            self._made[status, again] = made
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
        _retry_after(status) + b"content-type: application/json",
        b"x-request-id: " + request_id(headers),
        b"content-length: %d" % len(body),
    ]
    if not keep_alive:
        head.append(b"connection: close")
    return b"\r\n".join([*head, b"", body])


def full(scope: Mapping[str, Any], *, keep_alive: bool) -> bytes:
    """The answer to a whole request, for which there is no room."""
    url, headers = scope["raw_path"], scope["headers"]
    return answer(*FULL, keep_alive=keep_alive, url=url, headers=headers)


def full_anew() -> tuple[int, bytes, bytes]:
    """The same to a request without an id of its own: status, id and body."""
    return FULL[0], new_id(), _FULL_BODY


def _retry_after(status: int) -> bytes:
    if status != FULL[0]:
        return b""
    return b"retry-after: %b\r\n" % random.choice(RETRY_AFTER)  # noqa: S311  # no secret
