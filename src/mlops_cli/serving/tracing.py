"""A request's place in a trace, taken and answered; and spans, where a collector is named.

https://www.w3.org/TR/trace-context/
"""

from __future__ import annotations

import logging
import os
import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Protocol

from mlops_cli._adapters import load_adapter
from mlops_cli.errors import EnvironmentFault

log = logging.getLogger(__name__)

HEADER, STATE = b"traceparent", b"tracestate"
ENDPOINTS = ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "OTEL_EXPORTER_OTLP_ENDPOINT")
_FORM = re.compile(rb"([0-9a-f]{2})-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})(-.*)?")
_FLAGS = 0x03  # those that are defined: sampled, and a random trace id
Header = tuple[bytes, bytes]


@dataclass(frozen=True, slots=True)
class Trace:
    """The id of a trace (32 hex digits), of a span in it (16), and the trace's flags."""

    trace_id: str
    span_id: str
    flags: int

    @property
    def header(self) -> Header:
        """`traceparent`, for an answer."""
        return HEADER, f"00-{self.trace_id}-{self.span_id}-{self.flags:02x}".encode()


class Span(Protocol):
    """What is told to a collector of one request."""

    @property
    def trace(self) -> Trace:
        """Its place."""

    def end(self, status: int, **fields: str | int | None) -> None:
        """The request is answered so; `fields` are what else is known of it by now."""


class Spans(Protocol):
    """Where spans go."""

    def begin(self, name: str, parent: Trace | None, headers: Iterable[Header]) -> Span:
        """A span of the trace that a request brings, or of a new one."""

    def close(self) -> None:
        """Send what waits, in bounded time."""


class _Untold:
    """A span that nobody hears of: the trace goes on all the same."""

    def __init__(self, parent: Trace | None) -> None:
        trace_id, flags = (parent.trace_id, parent.flags) if parent else (os.urandom(16).hex(), 0)
        self.trace = Trace(trace_id, os.urandom(8).hex(), flags)

    def end(self, status: int, **fields: str | int | None) -> None:
        """Nobody hears of it."""


class Tracing:
    """Begins a span for whoever brings a trace, and for every question where `spans` go somewhere.

    A GET that brings none, such as a health check, begins none.
    """

    def __init__(self, spans: Spans | None = None) -> None:
        self._spans = spans

    def wanted(self, headers: Iterable[Header], method: str = "POST") -> bool:
        """Whether such a request has a span."""
        if self._spans is not None and method != "GET":
            return True
        for name, _ in headers:  # noqa: SIM110  # a generator costs more than the loop
            if name == HEADER:
                return True
        return False

    def begin(self, name: str, headers: Iterable[Header]) -> Span:
        """A request's span; what is no valid `traceparent`, or stands twice, begins a new trace."""
        values = [value for header, value in headers if header == HEADER]
        parent = _parsed(values[0]) if len(values) == 1 else None
        return self._spans.begin(name, parent, headers) if self._spans else _Untold(parent)

    def close(self) -> None:
        """See `Spans.close`."""
        if self._spans is not None:
            self._spans.close()


def open_tracing(model: str) -> Tracing:
    """Tracing as the environment says: spans go to OpenTelemetry's usual variables' endpoint.

    Where the extra is not installed the log says so, and the server does its work: the variables
    are also set by who asks no single server.
    """
    off = os.environ.get("OTEL_SDK_DISABLED", "").lower() == "true"
    off |= os.environ.get("OTEL_TRACES_EXPORTER", "otlp") != "otlp"
    if off or not any(os.environ.get(name) for name in ENDPOINTS):
        return Tracing()
    try:
        spans: Spans = load_adapter("mlops_cli.serving.otel", extra="otel").OtelSpans(model)
    except EnvironmentFault as e:
        log.warning("no spans are told: %s (%s)", e.message, e.hint)
        return Tracing()
    return Tracing(spans)


def _parsed(value: bytes) -> Trace | None:
    match = _FORM.fullmatch(value.strip())
    if match is None:
        return None
    version, trace_id, span_id, flags, more = match.groups()
    if version == b"ff" or (version == b"00" and more) or not (trace_id.strip(b"0")):
        return None
    if not span_id.strip(b"0"):
        return None
    return Trace(trace_id.decode(), span_id.decode(), int(flags, 16) & _FLAGS)
