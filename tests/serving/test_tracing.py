"""W3C trace context in and out, and spans at a collector that is there, or is not."""

from __future__ import annotations

import asyncio
import importlib.util
import json
import logging
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing
from http.client import HTTPConnection
from typing import Any

import msgspec
import pytest

import bundles
from collector import Collector
from mlops_cli._poll import wait_until
from mlops_cli.serving.console import EcsFormatter
from mlops_cli.serving.tracing import Trace, open_tracing
from running import Client, serving
from servers import free_port

TRACE, PARENT = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"
HEADER = f"00-{TRACE}-{PARENT}-01"
ENDPOINT = "OTEL_EXPORTER_OTLP_ENDPOINT"
needs_otel = pytest.mark.skipif(
    not importlib.util.find_spec("opentelemetry.exporter"), reason="the extra otel is not installed"
)


@pytest.fixture
def collector() -> Iterator[Collector]:
    found = Collector()
    yield found
    found.shutdown()
    found.server_close()


def ask(port: int, event: Any, *traces: str) -> tuple[int, str | None]:
    """Status, and the `traceparent` of the answer."""
    with closing(HTTPConnection("127.0.0.1", port, timeout=30)) as connection:
        body = msgspec.json.encode(event)
        connection.putrequest("POST", "/v1/predict")
        for trace in traces:
            connection.putheader("traceparent", trace)
        connection.putheader("content-length", str(len(body)))
        connection.putheader("x-request-id", "one-of-ours")
        connection.endheaders(body)
        answer = connection.getresponse()
        answer.read()
    return answer.status, answer.headers["traceparent"]


@pytest.fixture(scope="module")
def port(binary: bundles.Sample) -> Iterator[int]:
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv(ENDPOINT, raising=False)
        port = free_port()
        with serving(binary.path, "--port", str(port)):
            yield port


def test_a_trace_goes_on_with_a_span_of_its_own(port: int, binary: bundles.Sample) -> None:
    event = binary.events[1]
    spans = {PARENT}
    for body in (event, event, [event], {"nothing": 1}):
        status, answered = ask(port, body, HEADER)
        version, trace, span, flags = str(answered).split("-")
        assert (status == 200) == (body != {"nothing": 1})
        assert (version, trace, flags) == ("00", TRACE, "01")
        spans.add(span)
    assert len(spans) == 5
    assert ask(port, event, f"cc-{TRACE}-{PARENT}-00-later") == (200, _any(TRACE, "00"))
    assert ask(port, event) == (200, None)


@pytest.mark.parametrize(
    "headers",
    [
        ("00",),
        (f"ff-{TRACE}-{PARENT}-01",),
        (f"00-{'0' * 32}-{PARENT}-01",),
        (f"00-{TRACE}-{'0' * 16}-01",),
        (f"00-{TRACE.upper()}-{PARENT}-01",),
        (f"00-{TRACE}-{PARENT}-01-more",),
        (f"00-{TRACE}-{PARENT}-1",),
        (HEADER, HEADER),
    ],
)
def test_what_is_no_trace_begins_a_new_one(
    port: int, binary: bundles.Sample, headers: tuple[str, ...]
) -> None:
    status, answered = ask(port, binary.events[1], *headers)
    _, trace, span, _ = str(answered).split("-")
    assert status == 200
    assert trace != TRACE
    assert (len(trace), len(span)) == (32, 16)


class _any(str):  # noqa: N801  # equal to each header of a trace
    def __new__(cls, trace: str, flags: str) -> _any:
        return super().__new__(cls, f"00-{trace}-{flags}")

    def __eq__(self, other: object) -> bool:
        version, trace, _, flags = str(other).split("-")
        return str(self) == f"{version}-{trace}-{flags}"

    __hash__ = str.__hash__


def test_without_an_endpoint_nothing_of_it_is_imported() -> None:
    code = "import sys, mlops_cli.serving.server as s; s.open_cache(None)\n"
    code += "from mlops_cli.serving.tracing import open_tracing; open_tracing('m')\n"
    code += "print([m for m in sys.modules if m.startswith('opentelemetry')])"
    done = subprocess.run(
        [sys.executable, "-c", code], env={}, capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "[]"


def test_where_the_extra_is_missing_the_log_says_so_and_the_server_works(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv(ENDPOINT, "http://127.0.0.1:1")
    monkeypatch.setitem(sys.modules, "opentelemetry.exporter.otlp.proto.http.trace_exporter", None)
    monkeypatch.delitem(sys.modules, "mlops_cli.serving.otel", raising=False)
    assert not open_tracing("m").wanted([])
    assert "mlops-cli[otel]" in caplog.text


def test_a_fault_s_line_has_the_ids_of_its_trace(
    client: Client, binary: bundles.Sample, caplog: pytest.LogCaptureFixture
) -> None:
    def fails(*_: object) -> None:
        raise ZeroDivisionError("planted")

    with pytest.MonkeyPatch.context() as patch, caplog.at_level(logging.ERROR):
        patch.setattr(client.app.versions.default.predictor, "numbers", fails)
        body = msgspec.json.encode([binary.events[1]])
        asked = client.ask("POST", "/v1/predict", body, [(b"traceparent", HEADER.encode())])
        status, headers, _ = asyncio.run(asked)
    assert status == 500
    (record,) = caplog.records
    line = json.loads(EcsFormatter().format(record))
    told = Trace(line["trace.id"], line["span.id"], 1)
    assert (line["trace.id"], told.header[1]) == (TRACE, headers[b"traceparent"])


@needs_otel
def test_spans_reach_a_collector(
    binary: bundles.Sample, collector: Collector, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(ENDPOINT, collector.url)
    monkeypatch.setenv("OTEL_BSP_SCHEDULE_DELAY", "100")
    port = free_port()
    with serving(binary.path, "--port", str(port)) as process:
        _, first = ask(port, binary.events[1], HEADER)
        _, second = ask(port, {"nothing": 1})
        ask(port, binary.events[1], f"00-{TRACE}-{PARENT}-00")  # whoever began it tells nobody
        assert wait_until(lambda: len(collector.spans) >= 2, seconds=20)
        _, last = ask(port, [binary.events[1]] * 3, HEADER)
        process.terminate()  # what waits is told before it ends
        process.wait(40)
    assert collector.services == {"delays"}
    told = {f"{s.trace_id.hex()}-{s.span_id.hex()}": s for s in collector.spans}
    assert list(told) == [str(x)[3:-3] for x in (first, second, last)]
    one, refused, three = told.values()
    assert (one.name, one.kind, one.parent_span_id.hex()) == ("POST /v1/predict", 2, PARENT)
    assert refused.parent_span_id == b""
    assert one.end_time_unix_nano > one.start_time_unix_nano
    found = [_attributes(span) for span in (one, refused, three)]
    assert [f["http.response.status_code"] for f in found] == [200, 422, 200]
    assert [f.get("mlops.rows") for f in found] == [1, None, 3]
    assert found[0]["mlops.request_id"] == "one-of-ours"
    assert len(found[0]["mlops.version"]) == 12


def _attributes(span: Any) -> dict[str, Any]:
    return {a.key: getattr(a.value, a.value.WhichOneof("value")) for a in span.attributes}


@needs_otel
@pytest.mark.parametrize("silent", [False, True], ids=["nobody listens", "nobody answers"])
def test_a_collector_that_is_away_costs_no_request_and_few_lines(
    binary: bundles.Sample, monkeypatch: pytest.MonkeyPatch, silent: bool
) -> None:
    with socket.socket() as collector:
        collector.bind(("127.0.0.1", 0))
        if silent:
            collector.listen(100)
        monkeypatch.setenv(ENDPOINT, f"http://127.0.0.1:{collector.getsockname()[1]}")
        monkeypatch.setenv("OTEL_BSP_SCHEDULE_DELAY", "20")
        port = free_port()
        with serving(binary.path, "--port", str(port)) as process:
            slowest = 0.0
            for _ in range(300):
                started = time.monotonic()
                assert ask(port, binary.events[1])[0] == 200
                slowest = max(slowest, time.monotonic() - started)
            assert slowest < 1
            process.terminate()
            assert process.wait(10) == 0
            assert process.stderr is not None
            assert len(process.stderr.read().splitlines()) < 5


@needs_otel
def test_each_of_many_alike_requests_on_one_connection_is_a_span(
    binary: bundles.Sample, collector: Collector, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(ENDPOINT, collector.url)
    monkeypatch.setenv("OTEL_BSP_SCHEDULE_DELAY", "50")
    port = free_port()
    body = msgspec.json.encode(binary.events[1])
    with (
        serving(binary.path, "--port", str(port)),
        closing(HTTPConnection("127.0.0.1", port, timeout=30)) as connection,
    ):
        for _ in range(20):
            connection.request("POST", "/v1/predict", body)
            answer = connection.getresponse()
            answer.read()
            assert answer.headers["traceparent"]
        assert wait_until(lambda: len(collector.spans) == 20, seconds=20)
