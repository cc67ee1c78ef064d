"""Lines of the log for requests of one event, made of many at a time: alone each costs twice."""

from __future__ import annotations

from binascii import hexlify
from collections.abc import Sequence
from hashlib import sha256
from typing import Protocol

from mlops_cli.serving.logged_columns import Asked, second


class Said(Protocol):
    """What the model said of the rows of a turn."""

    @property
    def contents(self) -> list[bytes]:
        """The predictions as JSON."""

    def vector(self, place: int) -> bytes:
        """The features of a row as float32."""


Answered = tuple[Asked, Said, int, float]
"""What was asked, what was said in which place, and the seconds that it took."""

_LINE = (
    b'{"time":"%b.%06dZ","request_id":"%b","row":0,"id":%b%b%b,"features":"%b","prediction":%b,'
    b'"ms":%.3f}\n'
)
_OPENING = _LINE[: _LINE.index(b'"%b","prediction"')]
_HEX = 2 * sha256().digest_size


def lines(answered: Sequence[Answered]) -> bytes:
    """A line for each; `features` is the sha256 of its row."""
    rows = [said.vector(place) for _, said, place, _ in answered]
    digests = hexlify(b"".join([sha256(row).digest() for row in rows]))
    values: list[object] = []
    at, whole, clock = 0, -1, b""
    for (scheme, time, request_id, key, event, body, exact), said, place, seconds in answered:
        if int(time) != whole:
            whole = int(time)
            clock = second(whole)
        values += (clock, (time - whole) * 1e6, request_id)
        values += scheme.parts(key, event, body, exact=exact)
        values += (digests[at : at + _HEX], said.contents[place], seconds * 1000)
        at += _HEX
    return _LINE * len(answered) % tuple(values)


def opening(asked: Asked) -> bytes:
    """The line up to `features`, of which another process tells."""
    scheme, time, request_id, key, event, body, exact = asked
    parts = scheme.parts(key, event, body, exact=exact)
    return _OPENING % (second(int(time)), time % 1 * 1e6, request_id, *parts)
