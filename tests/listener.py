"""A server that takes JSON by POST, for the tests of what is sent; it can be away in many ways."""

from __future__ import annotations

import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any


class Listener(ThreadingHTTPServer):
    """Keeps what came, with its path and headers; `mood` says how the next one is answered.

    A mood is a status, `hang` (nothing comes back), `drip` (a byte a second) or `to URL`.
    """

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Take)
        self.mood: int | str = 200
        self.said = b"ok"
        self.inbox: list[Any] = []
        self.asked: list[tuple[str, dict[str, str]]] = []
        self.gone = threading.Event()
        threading.Thread(target=self.serve_forever, daemon=True).start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.gone.set()
        self.shutdown()
        self.server_close()


class _Take(BaseHTTPRequestHandler):
    server: Listener

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["content-length"])))
        mood = self.server.mood
        self.server.asked.append((self.path, dict(self.headers)))
        if mood == "hang":
            self.server.gone.wait()
            return
        if mood == "drip":
            self.wfile.write(b"HTTP/1.1 200 OK\r\nX-Slow: ")
            while not self.server.gone.wait(0.2):
                self.wfile.write(b"x")
            return
        if isinstance(mood, str):
            self.send_response(307)
            self.send_header("Location", mood.removeprefix("to "))
            self.end_headers()
            return
        if mood < 300:
            self.server.inbox.append(body)
        self.send_response(mood)
        self.end_headers()
        self.wfile.write(self.server.said)

    def log_message(self, *_: object) -> None: ...
