"""Spans to an OpenTelemetry collector over OTLP/HTTP, from a thread beside the requests."""

from __future__ import annotations

import logging
import os
import threading
import time
from collections.abc import Iterable

from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.trace import (
    NonRecordingSpan,
    Span,
    SpanContext,
    SpanKind,
    Status,
    StatusCode,
    TraceFlags,
    TraceState,
    format_span_id,
    format_trace_id,
    set_span_in_context,
)

from mlops_cli.serving.tracing import STATE, Header, Trace

log = logging.getLogger(__name__)

_EVERY = 60.0  # seconds between two lines in the log
_FAREWELL = 2.0  # seconds that the end of a process waits for what is told yet
_FAILED = 500  # from this status on the server is at fault


class OtelSpans:
    """Spans as the environment's `OTEL_...` say; named after the model where they name no service.

    What the collector does not take in time is dropped: no request waits for it.
    """

    def __init__(self, model: str) -> None:
        _quiet()
        named = "OTEL_SERVICE_NAME" in os.environ or "service.name=" in os.environ.get(
            "OTEL_RESOURCE_ATTRIBUTES", ""
        )
        resource = Resource.create({} if named else {"service.name": model})
        self._provider = TracerProvider(resource=resource, shutdown_on_exit=False)
        self._provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
        self._tracer = self._provider.get_tracer("mlops_cli.serving")

    def begin(self, name: str, parent: Trace | None, headers: Iterable[Header]) -> OtelSpan:
        """See `Spans.begin`."""
        context = None
        if parent is not None:
            state = [v.decode("latin-1") for header, v in headers if header == STATE]
            above = SpanContext(
                int(parent.trace_id, 16),
                int(parent.span_id, 16),
                is_remote=True,
                trace_flags=TraceFlags(parent.flags),
                trace_state=TraceState.from_header(state),
            )
            context = set_span_in_context(NonRecordingSpan(above))
        return OtelSpan(self._tracer.start_span(name, context, SpanKind.SERVER))

    def close(self) -> None:
        """See `Spans.close`."""
        end = threading.Thread(target=self._provider.shutdown, daemon=True)
        end.start()
        end.join(_FAREWELL)


class OtelSpan:
    """A span of the SDK."""

    def __init__(self, span: Span) -> None:
        self._span = span
        context = span.get_span_context()
        self.trace = Trace(
            format_trace_id(context.trace_id), format_span_id(context.span_id), context.trace_flags
        )

    def end(self, status: int, **fields: str | int | None) -> None:
        """See `Span.end`; a fault of the client is none of the span's."""
        self._span.update_name(" ".join(str(fields[x]) for x in ("method", "route") if fields[x]))
        self._span.set_attribute("http.response.status_code", status)
        for name, value in fields.items():
            if value is not None:
                self._span.set_attribute(_ATTRIBUTES[name], value)
        if status >= _FAILED:
            self._span.set_attribute("error.type", str(status))
            self._span.set_status(Status(StatusCode.ERROR))
        self._span.end()


_ATTRIBUTES = {
    "method": "http.request.method",
    "path": "url.path",
    "route": "http.route",
    "request_id": "mlops.request_id",
    "model": "mlops.model",
    "version": "mlops.version",
    "rows": "mlops.rows",
}


class _Seldom(logging.Handler):
    """The library's own complaints, one a minute: it makes one of each batch that fails."""

    def __init__(self) -> None:
        super().__init__()
        self._told = float("-inf")

    def emit(self, record: logging.LogRecord) -> None:
        """Pass on the first of a minute."""
        now = time.monotonic()
        if now - self._told >= _EVERY:
            self._told = now
            log.warning("spans are not told: %s", record.getMessage()[:300])


def _quiet() -> None:
    theirs = logging.getLogger("opentelemetry")
    theirs.propagate = False
    theirs.handlers = [_Seldom()]
