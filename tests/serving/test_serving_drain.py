"""SIGTERM under load, again and again: no request is lost."""

from __future__ import annotations

import http.client
import signal
import socket
import threading
import time
from dataclasses import dataclass, field

import msgspec
from running import serving

import bundles

ROUNDS = 20


@dataclass
class Load:
    """Clients that ask without pause until they are refused; what they saw."""

    port: int
    body: bytes
    answered: int = 0
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
            try:
                connection.request("POST", "/v1/predict", self.body)
                answer = connection.getresponse()
                answer.read()
            except (OSError, http.client.HTTPException) as e:
                with self._lock:
                    self.failed.append(repr(e))
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


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as s:
        return int(s.getsockname()[1])


def test_twenty_terminations_under_load_lose_no_request(binary: bundles.Sample) -> None:
    body = msgspec.json.encode(binary.events[5])
    failed: list[str] = []
    for _ in range(ROUNDS):
        port = _free_port()
        with serving(binary.path, "--port", str(port)) as process:
            load = Load(port, body)
            threads = load.start(4, keep_alive=True) + load.start(4, keep_alive=False)
            time.sleep(0.2)
            process.send_signal(signal.SIGTERM)
            assert process.wait(timeout=30) == 0
            for thread in threads:
                thread.join(timeout=30)
                assert not thread.is_alive()
        assert load.answered > 0
        failed += load.failed
    assert failed == []
