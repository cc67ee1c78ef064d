"""SIGTERM under load, again and again: no request is lost."""

from __future__ import annotations

import http.client
import signal
import socket
import subprocess
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

import msgspec
import pytest

import bundles
from mlops_cli.serving.sockets import LAST_OWNER
from running import serving
from servers import ask, free_port

ROUNDS = 20
# A server whose second of grace is longer than this machine may stall.
_PATIENT = (
    "-c",
    "import sys; from mlops_cli.serving import __main__, server; server.GRACE = 60.0; "
    "sys.exit(__main__.main())",
)


@dataclass
class Load:
    """Clients that ask without pause until they are refused; what they saw."""

    port: int
    body: bytes
    answered: int = 0
    stop: bool = False
    failed: list[str] = field(default_factory=list)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def start(self, clients: int, *, keep_alive: bool) -> list[threading.Thread]:
        """Start so many clients."""
        threads = [
            threading.Thread(target=self._ask, args=(keep_alive,), daemon=True)
            for _ in range(clients)
        ]
        for thread in threads:
            thread.start()
        return threads

    def _ask(self, keep_alive: bool) -> None:
        heard, connection = time.monotonic(), self._connect()
        while connection is not None and not self.stop:
            try:
                said = ask(connection, heard, "/v1/predict", self.body)
            except (OSError, http.client.HTTPException) as e:
                with self._lock:
                    self.failed.append(repr(e))
                return
            heard = time.monotonic()
            if said is not None:
                with self._lock:
                    self.answered += 1
                    if said[0].status != 200:
                        self.failed.append(str(said[0].status))
            if not keep_alive or connection.sock is None:  # the server said `connection: close`
                connection.close()
                connection = self._connect()
        if connection is not None:
            connection.close()

    def _connect(self) -> http.client.HTTPConnection | None:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=20)
        try:
            connection.connect()
        except ConnectionRefusedError:  # it has left: that is no failed request
            return None
        return connection


def _terminate_under_load(sample: bundles.Sample) -> Load:
    port = free_port()
    with serving(sample.path, "--port", str(port)) as process:
        load = Load(port, msgspec.json.encode(sample.events[5]))
        threads = load.start(4, keep_alive=True) + load.start(4, keep_alive=False)
        time.sleep(0.2)
        process.send_signal(signal.SIGTERM)
        assert process.wait(timeout=60) == 0
        for thread in threads:
            thread.join(timeout=30)
            assert not thread.is_alive()
    return load


@pytest.mark.slow
def test_twenty_terminations_under_load_lose_no_request(binary: bundles.Sample) -> None:
    with ThreadPoolExecutor(4) as pool:
        loads = list(pool.map(_terminate_under_load, [binary] * ROUNDS))
    assert [failure for load in loads for failure in load.failed] == []
    assert all(load.answered for load in loads)


def test_a_request_that_is_under_way_is_answered(binary: bundles.Sample) -> None:
    body = msgspec.json.encode(binary.events[5])
    port = free_port()
    address = ("127.0.0.1", port)
    with (
        serving(binary.path, "--port", str(port)) as process,
        socket.create_connection(address, timeout=20) as slow,
    ):
        head = f"POST /v1/predict HTTP/1.1\r\nHost: x\r\nContent-Length: {len(body)}\r\n\r\n"
        slow.sendall(head.encode() + body[:10])
        time.sleep(0.1)
        process.send_signal(signal.SIGTERM)
        time.sleep(3)  # longer than the grace for those who ask nothing
        assert process.poll() is None
        slow.sendall(body[10:])
        answer = b"".join(iter(lambda: slow.recv(65536), b""))
        assert answer.startswith(b"HTTP/1.1 200 OK")
        assert b"connection: close" in answer
        assert process.wait(timeout=20) == 0


def _readyz(connection: http.client.HTTPConnection) -> tuple[http.client.HTTPResponse, bool]:
    """The answer of /readyz, and what it says of itself."""
    connection.request("GET", "/readyz")
    answer = connection.getresponse()
    return answer, msgspec.json.decode(answer.read())["ready"]


def _until_it_leaves(
    connection: http.client.HTTPConnection,
) -> tuple[http.client.HTTPResponse, bool]:
    """The first answer of /readyz after the signal has reached the server."""
    until = time.monotonic() + 60
    answer, ready = _readyz(connection)
    while answer.status == 200:
        assert time.monotonic() < until
        time.sleep(0.02)
        answer, ready = _readyz(connection)
    return answer, ready


def test_while_it_drains_it_says_that_it_is_not_ready(binary: bundles.Sample) -> None:
    port = free_port()
    with serving(binary.path, "--port", str(port), program=_PATIENT) as process:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=20)
        answer, ready = _readyz(connection)
        assert (answer.status, ready) == (200, True)
        process.send_signal(signal.SIGTERM)
        answer, ready = _until_it_leaves(connection)
        assert (answer.status, ready) == (503, False)
        assert answer.getheader("connection") == "close"
        assert process.wait(timeout=20) == 0


def test_a_shared_socket_stays_with_the_other_workers(binary: bundles.Sample) -> None:
    with socket.create_server(("127.0.0.1", 0)) as shared:
        port = shared.getsockname()[1]
        fd = shared.fileno()
        load = Load(port, msgspec.json.encode(binary.events[5]))
        with serving(binary.path, "--fd", str(fd), fds=(fd,)) as old:
            threads = load.start(2, keep_alive=True) + load.start(2, keep_alive=False)
            with serving(binary.path, "--fd", str(fd), fds=(fd,)) as new:
                old.send_signal(signal.SIGTERM)
                assert old.wait(timeout=20) == 0
                before = load.answered
                until = time.monotonic() + 60
                while load.answered == before:
                    assert time.monotonic() < until
                    time.sleep(0.02)
                shared.close()  # the last owner but the new worker
                load.stop = True
                for thread in threads:
                    thread.join(timeout=30)
                new.send_signal(signal.SIGTERM)
                assert new.wait(timeout=20) == 0
    assert load.failed == []


def test_the_last_owner_of_a_shared_socket_answers_everybody_in_it(
    binary: bundles.Sample,
) -> None:
    with socket.create_server(("127.0.0.1", 0), backlog=1024) as shared:
        load = Load(shared.getsockname()[1], msgspec.json.encode(binary.events[5]))
        fd = shared.fileno()
        with serving(binary.path, "--fd", str(fd), fds=(fd,)) as process:
            shared.close()
            threads = load.start(2, keep_alive=True) + load.start(4, keep_alive=False)
            time.sleep(0.2)
            process.send_signal(LAST_OWNER)
            assert process.wait(timeout=60) == 0
            for thread in threads:
                thread.join(timeout=30)
                assert not thread.is_alive()
    assert load.failed == []
    assert load.answered


def test_a_worker_that_hears_before_its_supervisor_waits_to_be_told_that_it_is_the_last(
    binary: bundles.Sample,
) -> None:
    body = msgspec.json.encode(binary.events[5])
    with socket.create_server(("127.0.0.1", 0)) as shared:
        address, fd = shared.getsockname(), shared.fileno()
        with serving(binary.path, "--fd", str(fd), fds=(fd,), program=_PATIENT) as process:
            early = http.client.HTTPConnection(*address, timeout=20)
            assert _readyz(early)[1]
            process.send_signal(signal.SIGTERM)
            _until_it_leaves(early)
            with pytest.raises(subprocess.TimeoutExpired):
                process.wait(timeout=2)
            late = http.client.HTTPConnection(*address, timeout=20)
            late.request("POST", "/v1/predict", body)
            shared.close()
            process.send_signal(LAST_OWNER)
            assert late.getresponse().status == 200
            late.close()
            assert process.wait(timeout=20) == 0
