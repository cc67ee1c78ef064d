"""One look that meets a stall of the machine does not make a good server a silent one."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest

from mlops_cli.targets.readiness import ready_digest, soon


@pytest.fixture
def port() -> Iterator[int]:
    """A server that drops its first two callers, and then is ready with `abc`."""
    dropped: list[object] = []

    class Slow(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            if len(dropped) < 2:
                dropped.append(self.client_address)
                return
            self.send_response(200)
            self.end_headers()
            self.wfile.write(b'{"digest": "abc"}')

        def log_message(self, *_: object) -> None:
            pass

    with HTTPServer(("127.0.0.1", 0), Slow) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield server.server_port
        server.shutdown()
        thread.join()


def test_a_server_that_answers_a_later_look_answers(port: int) -> None:
    assert ready_digest("127.0.0.1", port) is None
    assert soon(lambda: ready_digest("127.0.0.1", port)) == "abc"


def test_what_is_silent_for_long_does_not_answer() -> None:
    looks: list[None] = []
    assert soon(lambda: looks.append(None), seconds=0.3) is None
    assert len(looks) > 1
