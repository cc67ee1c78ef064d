"""A server as a process, with limits of one's own, and clients that know no HTTP library."""

from __future__ import annotations

import contextlib
import json
import re
import socket
import subprocess
import time
import urllib.request
from collections.abc import Iterator
from typing import Any

import msgspec
import psutil
import pytest

import bundles
from running import serving
from servers import free_port

HEAD = b"POST /v1/predict HTTP/1.1\r\nHost: x\r\n"


class Server:
    """A server that runs, and ways to ask it."""

    def __init__(self, port: int, process: subprocess.Popen[bytes], sample: bundles.Sample) -> None:
        self.port = port
        self.process = process
        self.event = msgspec.json.encode(sample.events[5])

    def connect(self) -> socket.socket:
        """A new connection."""
        return socket.create_connection(("127.0.0.1", self.port), timeout=20)

    def say(self, *sent: bytes) -> bytes:
        """All that it answers to these bytes until it closes."""
        with self.connect() as client:
            with contextlib.suppress(ConnectionError):
                for part in sent:
                    client.sendall(part)
            return heard(client)

    def healthy(self) -> float:
        """Seconds that /healthz took."""
        started = time.monotonic()
        with urllib.request.urlopen(f"http://127.0.0.1:{self.port}/healthz", timeout=20) as answer:
            assert answer.status == 200
        return time.monotonic() - started

    def predicts(self, more: bytes = b"") -> bytes:
        """A request whose answer is a prediction, after which it closes."""
        length = b"Content-Length: %d\r\nConnection: close\r\n" % len(self.event)
        return HEAD + length + more + b"\r\n" + self.event

    def metric(self, name: str, code: int | None = None) -> float:
        """The sum of a metric's series, of one code or of all; 0 where there is none."""
        with urllib.request.urlopen(f"http://127.0.0.1:{self.port}/metrics", timeout=20) as answer:
            text = answer.read().decode()
        labels = r"(?:\{.*\})?" if code is None else rf'\{{code="{code}",.*\}}'
        return sum(map(float, re.findall(rf"^{name}{labels} (\S+)$", text, re.M)))

    def memory(self) -> float:
        """MB that it holds."""
        return float(psutil.Process(self.process.pid).memory_info().rss / 1e6)


def heard(client: socket.socket) -> bytes:
    """All that comes until the other side closes."""
    said = b""
    with contextlib.suppress(ConnectionError):
        while part := client.recv(65536):
            said += part
    return said


def told(answer: bytes) -> tuple[int, dict[str, str], Any]:
    """Status, headers and decoded content of one answer."""
    head, _, content = answer.partition(b"\r\n\r\n")
    line, *headers = head.decode().split("\r\n")
    fields = dict(header.lower().split(": ", 1) for header in headers)
    return int(line.split()[1]), fields, json.loads(content)


@contextlib.contextmanager
def limited(
    sample: bundles.Sample, monkeypatch: pytest.MonkeyPatch, files: int = 0, **limits: str
) -> Iterator[Server]:
    """A server with these limits; `files`: how many it may have open, by its hard limit."""
    for name, value in limits.items():
        monkeypatch.setenv(f"MLOPS_SERVE_LIMITS__{name.upper()}", value)
    port = free_port()
    program = ("-m", "mlops_cli.serving")
    if files:
        main = "import sys, resource; resource.setrlimit(resource.RLIMIT_NOFILE, ({0}, {0})); "
        main += "from mlops_cli.serving import __main__; sys.exit(__main__.main())"
        program = ("-c", main.format(files))
    with serving(sample.path, "--port", str(port), program=program) as process:
        yield Server(port, process, sample)


def send(client: socket.socket, request: bytes, times: int) -> None:
    """Send it so many times, or until the other side closes."""
    with contextlib.suppress(OSError):
        client.sendall(request * times)
