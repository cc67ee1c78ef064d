"""Heads of requests that were parsed before: the same bytes mean the same again.

A client that keeps its connection sends one head with each event; to parse it anew takes longer
than to predict.
"""

from __future__ import annotations

from collections.abc import Iterable

from mlops_cli.serving.auth import Keys
from mlops_cli.serving.contract import PREDICT

MOST = 1024  # heads that are kept
LONGEST = 4096  # bytes of one
_LINE = b"POST %b HTTP/1.1\r\n" % PREDICT.encode()
_END = b"\r\n\r\n"
# Headers that differ from request to request, or mean more than the head.
_NOT_KEPT = frozenset(
    (b"x-request-id", b"traceparent", b"tracestate", b"expect", b"upgrade", b"transfer-encoding")
)

Headers = Iterable[tuple[bytes, bytes]]


class Head:
    """The headers of a prediction, and the name of the key that they brought last time."""

    __slots__ = ("_key", "_readings", "_until", "headers", "length")

    def __init__(self, headers: Headers, length: int) -> None:
        self.headers = headers
        self.length = length
        self._key = ""
        self._readings = -1
        self._until = 0.0

    def key(self, keys: Keys, now: float) -> str:
        """What `Keys.check` says, which is asked again when the keys are others, or it expired."""
        if self._readings != keys.readings or now >= self._until:
            self._key = keys.check(self.headers, "predict")
            self._until = keys.until(self._key)
            self._readings = keys.readings
        return self._key


class KnownHeads:
    """Heads of predictions on connections that stay open, of all connections of a process."""

    def __init__(self) -> None:
        self._known: dict[bytes, Head] = {}

    def parse(self, data: bytes) -> tuple[Head, bytes] | None:
        """Head and body of `data`, if it is one whole request with a known head."""
        end = data.find(_END) + len(_END)
        known = self._known.get(data[:end])
        if known is None or known.length != len(data) - end:
            return None
        return known, data[end:]

    def learn(self, data: bytes, headers: Headers, length: int) -> None:
        """Keep the head of a request, if `data` is all of it: `headers` and `length` were parsed.

        The request must be one that leaves its connection open.
        """
        end = data.find(_END) + len(_END)
        if not data.startswith(_LINE) or len(data) - end != length or end > LONGEST:
            return
        if any(name in _NOT_KEPT for name, _ in headers):
            return
        if len(self._known) >= MOST:
            self._known.clear()
        self._known[data[:end]] = Head(headers, length)
