"""A way to a server that counts what comes back by it, for the tests of what is not fetched."""

from __future__ import annotations

import http.client
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


class Counted(ThreadingHTTPServer):
    """Hands each request on to a port of this machine, and keeps its first line."""

    daemon_threads = True

    def __init__(self, to: int) -> None:
        super().__init__(("127.0.0.1", 0), _Relay)
        self.to, self.port = to, self.server_address[1]
        self.bytes = 0  # of bodies
        self.asked: list[str] = []
        threading.Thread(target=self.serve_forever, daemon=True).start()

    def server_close(self) -> None:
        self.shutdown()
        super().server_close()


class _Relay(BaseHTTPRequestHandler):
    server: Counted
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        self.server.asked.append(f"{self.requestline} {self.headers.get('range', '')}")
        onward = http.client.HTTPConnection("127.0.0.1", self.server.to)
        body = self.rfile.read(int(self.headers.get("content-length", 0)))
        onward.request(self.command, self.path, body, dict(self.headers))
        answer = onward.getresponse()
        content = answer.read()
        self.server.bytes += len(content)
        self.send_response(answer.status)
        for name, value in answer.getheaders():
            if name.lower() not in ("transfer-encoding", "connection", "content-length"):
                self.send_header(name, value)
        self.send_header("content-length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)
        onward.close()

    def do_PUT(self) -> None:
        self.do_GET()

    def log_message(self, *args: object) -> None:
        pass
