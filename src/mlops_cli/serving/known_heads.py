"""Heads of requests that were parsed before: the same bytes mean the same again.

A client that keeps its connection sends one head with each event; to parse it anew takes longer
than to predict.
"""

from __future__ import annotations

from collections.abc import Iterable

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


class KnownHeads:
    """Heads of predictions on connections that stay open, of all connections of a process."""

    def __init__(self) -> None:
        self._known: dict[bytes, tuple[Headers, int]] = {}

    def parse(self, data: bytes) -> tuple[Headers, bytes] | None:
        """Headers and body of `data`, if it is one whole request with a known head."""
        end = data.find(_END) + len(_END)
        known = self._known.get(data[:end])
        if known is None or known[1] != len(data) - end:
            return None
        return known[0], data[end:]

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
        self._known[data[:end]] = headers, length
