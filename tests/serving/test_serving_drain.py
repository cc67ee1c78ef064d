"""SIGTERM under load, again and again: no request is lost."""

from __future__ import annotations

import http.client
import signal
import socket
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

import msgspec
import pytest
from running import serving

import bundles
from mlops_cli.serving.listening import LAST_OWNER
from servers import free_port

ROUNDS = 20


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
        connection = self._connect()
        while connection is not None:
            if self.stop:
                connection.close()
                return
            try:
                connection.request("POST", "/v1/predict", self.body)
                answer = connection.getresponse()
                answer.read()
            except (OSError, http.client.HTTPException) as e:
                with self._lock:
                    self.failed.append(repr(e))
                connection.close()
                return
            with self._lock:
                self.answered += 1
                if answer.status != 200:
                    self.failed.append(str(answer.status))
            if not keep_alive or connection.sock is None:  # the server said `connection: close`
                connection.close()
                connection = self._connect()

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


def test_while_it_drains_it_says_that_it_is_not_ready(binary: bundles.Sample) -> None:
    port = free_port()
    with serving(binary.path, "--port", str(port)) as process:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=20)
        connection.request("GET", "/readyz")
        ready = connection.getresponse()
        state = msgspec.json.decode(ready.read())
        assert (ready.status, state["ready"]) == (200, True)
        process.send_signal(signal.SIGTERM)
        until = time.monotonic() + 20
        leaving = ready
        while leaving.status == 200:  # until the signal has reached it
            assert time.monotonic() < until
            time.sleep(0.02)
            connection.request("GET", "/readyz")
            leaving = connection.getresponse()
            state = msgspec.json.decode(leaving.read())
        assert (leaving.status, state["ready"]) == (503, False)
        assert leaving.getheader("connection") == "close"
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
                until = time.monotonic() + 20
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


@pytest.mark.parametrize(
    "numbers", [(signal.SIGTERM, LAST_OWNER), (LAST_OWNER, signal.SIGTERM)], ids=["late", "early"]
)
def test_who_hears_from_two_that_it_should_leave_still_answers(
    binary: bundles.Sample, numbers: tuple[signal.Signals, ...]
) -> None:
    """As where the machine's end tells the server, too, and not its supervisor alone."""
    body = msgspec.json.encode(binary.events[5])
    with socket.create_server(("127.0.0.1", 0)) as shared:
        address, fd = shared.getsockname(), shared.fileno()
        with (
            serving(binary.path, "--fd", str(fd), fds=(fd,)) as process,
            socket.create_connection(address, timeout=20) as slow,
        ):
            shared.close()
            head = f"POST /v1/predict HTTP/1.1\r\nHost: x\r\nContent-Length: {len(body)}\r\n\r\n"
            slow.sendall(head.encode() + body[:10])
            for number in numbers:
                time.sleep(0.2)
                process.send_signal(number)
            time.sleep(2)
            slow.sendall(body[10:])
            answer = b"".join(iter(lambda: slow.recv(65536), b""))
            assert answer.startswith(b"HTTP/1.1 200 OK")
            assert process.wait(timeout=20) == 0
