"""A server with a certificate: https, renewed while it runs; slow handshakes harm nobody."""

from __future__ import annotations

import contextlib
import http.client
import json
import select
import signal
import socket
import ssl
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import msgspec
import pytest

import bundles
from certificates import self_signed, trusting
from mlops_cli._poll import wait_until
from mlops_cli.errors import UsageError
from mlops_cli.serving.settings import from_environment
from mlops_cli.serving.tls import load_pair
from running import command, serving
from servers import free_port

CERT, KEY = "MLOPS_SERVE_TLS__CERT", "MLOPS_SERVE_TLS__KEY"
Start = Callable[..., "Server"]


class Server:
    """One that runs over TLS."""

    def __init__(self, port: int, process: subprocess.Popen[bytes], cert: Path) -> None:
        self.port, self.process, self.cert = port, process, cert

    def client(self) -> http.client.HTTPSConnection:
        context = trusting(self.cert)
        return http.client.HTTPSConnection("127.0.0.1", self.port, timeout=20, context=context)

    def silent(self) -> socket.socket:
        """A connection that never begins its handshake."""
        return socket.create_connection(("127.0.0.1", self.port), timeout=20)

    def status(self, path: str = "/healthz") -> int:
        with contextlib.closing(self.client()) as client:
            client.request("GET", path)
            return client.getresponse().status

    def ended(self) -> str:
        """What it wrote, after an end that was asked for."""
        self.process.send_signal(signal.SIGTERM)
        assert self.process.wait(timeout=20) == 0
        assert self.process.stderr is not None
        return self.process.stderr.read().decode()


@pytest.fixture
def start(
    binary: bundles.Sample, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Start]:
    with ExitStack() as stack:

        def begin(**settings: str) -> Server:
            cert, key = self_signed(tmp_path / "tls")
            variables = {CERT: str(cert), KEY: str(key)}
            variables |= {f"MLOPS_SERVE_{name.upper()}": v for name, v in settings.items()}
            for name, value in variables.items():
                monkeypatch.setenv(name, value)
            port = free_port()
            process = stack.enter_context(serving(binary.path, "--port", str(port)))
            return Server(port, process, cert)

        yield begin


def closed(client: socket.socket) -> bool:
    """Whether the server has closed, or will within the client's patience."""
    with contextlib.suppress(ConnectionError):
        return client.recv(1) == b""
    return True


@pytest.mark.parametrize("workers", ["1", "2"])
def test_it_answers_https_and_nothing_else(
    start: Start, binary: bundles.Sample, workers: str
) -> None:
    server = start(workers=workers)
    event = msgspec.json.encode(binary.events[5])
    with contextlib.closing(server.client()) as client:
        for body in (event, b"[" + event + b"]", event):
            client.request("POST", "/v1/predict", body)
            answer = client.getresponse()
            assert answer.status == 200
            assert len(json.loads(answer.read())["predictions"]) == 1
    with server.silent() as plain:
        plain.sendall(b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n")
        assert b"HTTP/1.1" not in plain.recv(4096)
    with pytest.raises(ssl.SSLCertVerificationError):
        socket_of(server, ssl.create_default_context())
    assert server.status() == 200
    said = server.ended()
    assert "answers on https://127.0.0.1:" in said
    assert "Traceback" not in said


def socket_of(server: Server, context: ssl.SSLContext) -> ssl.SSLSocket:
    return context.wrap_socket(server.silent(), server_hostname="127.0.0.1")


def test_a_large_answer_reaches_a_slow_client_whole(start: Start, binary: bundles.Sample) -> None:
    server = start()
    body = msgspec.json.encode([binary.events[5]] * 20_000)
    with contextlib.closing(server.client()) as client:
        client.request("POST", "/v1/predict", body, {"Connection": "close"})
        answer, size = client.getresponse(), 0
        while part := answer.read(65_536):
            size += len(part)
            time.sleep(0.01)
        assert size == int(answer.headers["content-length"]) > 500_000


def test_what_is_refused_is_told_why(start: Start) -> None:
    server = start()
    with contextlib.closing(server.client()) as client:
        client.request("GET", "/" + "a" * 70_000)
        answer = client.getresponse()
        assert (answer.status, answer.headers["connection"]) == (414, "close")
        assert "URL is longer" in json.loads(answer.read())["error"]["message"]
    assert "Traceback" not in server.ended()


def test_a_new_pair_is_taken_without_a_restart_and_a_broken_one_is_not(
    start: Start, tmp_path: Path
) -> None:
    server = start()
    assert server.status() == 200
    new = self_signed(tmp_path / "new")
    for old, file in zip((server.cert, server.cert.with_name("key.pem")), new, strict=True):
        file.replace(old)
    assert wait_until(lambda: _believed(server), seconds=20, step=0.1)
    server.cert.write_text("no certificate")
    before = ssl.create_default_context(cadata=_seen(server))
    time.sleep(2.5)  # two looks
    socket_of(server, before).close()
    said = server.ended()
    assert "was read anew" in said
    assert "the pair that was read before stays in force" in said


def _believed(server: Server) -> bool:
    try:
        return server.status() == 200
    except ssl.SSLCertVerificationError:
        return False


def _seen(server: Server) -> str:
    return ssl.get_server_certificate(("127.0.0.1", server.port), timeout=20)


def test_slow_handshakes_are_ended_and_hold_up_nobody(start: Start) -> None:
    server = start(limits__timeout="2s")
    with ExitStack() as stack:
        slow = [stack.enter_context(server.silent()) for _ in range(50)]
        for client in slow[:25]:
            client.sendall(b"\x16\x03\x01")
        assert [server.status() for _ in range(20)] == [200] * 20
        assert all(closed(client) for client in slow)
    assert "a connection that was not made" in server.ended()


def test_handshakes_beyond_the_connections_end_the_oldest(start: Start) -> None:
    server = start(limits__timeout="1h", limits__connections="40")
    with ExitStack() as stack:
        slow = [stack.enter_context(server.silent()) for _ in range(200)]
        assert [server.status() for _ in range(20)] == [200] * 20
        assert wait_until(lambda: len(select.select(slow, [], [], 0)[0]) >= 150, seconds=20)
    assert "Traceback" not in server.ended()


def test_the_end_waits_neither_for_a_handshake_nor_for_a_client_that_asks_nothing(
    start: Start,
) -> None:
    server = start()
    with server.silent(), contextlib.closing(server.client()) as idle:
        idle.request("GET", "/healthz")
        assert idle.getresponse().read()
        assert "Traceback" not in server.ended()


def test_a_pair_that_is_none_is_named(tmp_path: Path) -> None:
    cert, key = self_signed(tmp_path / "a")
    _, other = self_signed(tmp_path / "b")
    _, locked = self_signed(tmp_path / "c", password=b"secret")
    text = tmp_path / "text.pem"
    text.write_text("no PEM")
    for pair, says in (
        ((tmp_path / "none.pem", key), "none.pem cannot be read: No such file"),
        ((cert, tmp_path), "cannot be read: Is a directory"),
        ((cert, other), "the key is of another certificate"),
        ((text, key), "are no pair"),
        ((cert, text), "are no pair"),
        ((cert, locked), "is encrypted"),
    ):
        with pytest.raises(UsageError, match=says):
            load_pair(*pair)
    load_pair(cert, key)


def test_a_broken_pair_ends_the_server_with_2(
    binary: bundles.Sample, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cert, _ = self_signed(tmp_path)
    monkeypatch.setenv(CERT, str(cert))
    monkeypatch.setenv(KEY, str(tmp_path / "none.pem"))
    done = subprocess.run(
        command(binary.path, "--port", str(free_port())), capture_output=True, check=False
    )
    assert done.returncode == 2
    assert b"none.pem cannot be read" in done.stderr


def test_one_file_needs_the_other() -> None:
    with pytest.raises(UsageError, match="one needs the other"):
        from_environment({CERT: "cert.pem"})
