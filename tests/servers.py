"""Real servers for the tests: MLflow's own, registries, and ports that nobody listens on."""

from __future__ import annotations

import base64
import contextlib
import http.client
import itertools
import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

# Below those that the system gives out by itself, and those that a cluster does to a NodePort.
_PORTS = range(20_000, 30_000)
_drawn = itertools.count(os.getpid() * 37)


def free_port() -> int:
    """One that nobody listens on; each worker of a session has a range of its own.

    Of a port that the system chose, another worker may become the owner before the server does.
    """
    size = len(_PORTS) // int(os.environ.get("PYTEST_XDIST_WORKER_COUNT", "1"))
    own = _PORTS[size * int(os.environ.get("PYTEST_XDIST_WORKER", "gw0")[2:]) :][:size]
    for _ in own:
        port = own[next(_drawn) % size]
        with contextlib.suppress(OSError), socket.socket() as s:
            s.bind(("127.0.0.1", port))
            return port
    raise AssertionError(f"every port of {own} is in use")


# Seconds. A server that leaves closes on a client that asks nothing for one.
_STOOD_STILL = 0.9


def ask(
    connection: http.client.HTTPConnection,
    heard: float,
    path: str,
    body: bytes | None = None,
    host: str | None = None,
) -> tuple[http.client.HTTPResponse, bytes] | None:
    """What a server under load answers to `body` (None: a GET), and the answer's own body.

    `heard` is when (monotonic) the connection last brought an answer, or began to be made. None
    where this very process stood still since then, as it may on a busy machine, and the server
    closed in the meantime: then no request was lost. Raises `OSError` or `HTTPException` where one
    was.
    """
    silent = 0.0
    try:
        try:
            head = {"Host": host} if host is not None else {}
            connection.request("GET" if body is None else "POST", path, body, head)
        finally:
            silent = time.monotonic() - heard
        answer = connection.getresponse()
        return answer, answer.read()
    except (OSError, http.client.HTTPException):
        connection.close()
        if silent < _STOOD_STILL:
            raise
        return None


class MlflowServer:
    """`mlflow server` in its own process group, ended with all that it started."""

    def __init__(self, folder: Path, *options: str) -> None:
        port = free_port()
        self.url = f"http://127.0.0.1:{port}"
        command = [sys.executable, "-m", "mlflow", "server", "--port", str(port), "--workers", "1"]
        quiet = {
            "MLFLOW_DISABLE_TELEMETRY": "true",
            "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",
        }
        self._process = subprocess.Popen(
            [*command, *options],
            cwd=folder,
            env={**os.environ, **quiet},
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )

    def wait(self) -> MlflowServer:
        end = time.monotonic() + 90
        while time.monotonic() < end:
            try:
                urllib.request.urlopen(f"{self.url}/health", timeout=10).close()
            except OSError:
                time.sleep(0.2)
            else:
                return self
        raise AssertionError("mlflow server does not come up")

    def stop(self) -> None:
        os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()


class ImageRegistry:
    """Debian's `docker-registry` on a free port of this machine, for one user with a password."""

    def __init__(self, folder: Path, htpasswd: str) -> None:
        self.name = f"127.0.0.1:{free_port()}"
        (folder / "htpasswd").write_text(htpasswd + "\n")
        settings = {
            "version": 0.1,
            "log": {"level": "error", "accesslog": {"disabled": True}},
            "storage": {"filesystem": {"rootdirectory": str(folder / "images")}},
            "http": {"addr": self.name},
            "auth": {"htpasswd": {"realm": "here", "path": str(folder / "htpasswd")}},
        }
        (folder / "registry.yml").write_text(json.dumps(settings))  # JSON is YAML, too
        self._process = subprocess.Popen(
            ["docker-registry", "serve", str(folder / "registry.yml")],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )

    def wait(self) -> ImageRegistry:
        end = time.monotonic() + 60
        while time.monotonic() < end:
            try:
                urllib.request.urlopen(f"http://{self.name}/v2/", timeout=10).close()
            except urllib.error.HTTPError as e:
                if e.code != 401:
                    raise
                return self
            except OSError:
                time.sleep(0.1)
        raise AssertionError("docker-registry does not come up")

    def stop(self) -> None:
        self._process.kill()
        self._process.wait()


class PackageIndex(ThreadingHTTPServer):
    """A private package index (PEP 503) of the wheels in a folder, behind a user and a password."""

    def __init__(self, wheels: Path, login: str) -> None:
        super().__init__(("127.0.0.1", 0), _Wheels)
        self.wheels = {wheel.name: wheel for wheel in wheels.glob("*.whl")}
        self.login = "Basic " + base64.b64encode(login.encode()).decode()
        self.fetched = 0
        threading.Thread(target=self.serve_forever, daemon=True).start()

    @property
    def host(self) -> str:
        return f"127.0.0.1:{self.server_address[1]}"


class _Wheels(BaseHTTPRequestHandler):
    server: PackageIndex

    def do_GET(self) -> None:
        if self.headers["Authorization"] != self.server.login:
            return self._answer(401, b"", ("WWW-Authenticate", 'Basic realm="here"'))
        wheel = self.server.wheels.get(self.path.rpartition("/")[2])
        if wheel is not None:
            self.server.fetched += 1
            return self._answer(200, wheel.read_bytes())
        asked = self.path.strip("/").rpartition("/")[2].replace("-", "_")
        found = [n for n in self.server.wheels if n.lower().startswith(f"{asked}-")]
        page = "".join(f'<a href="/files/{name}">{name}</a>' for name in found)
        return self._answer(200, page.encode(), ("Content-Type", "text/html"))

    def _answer(self, status: int, content: bytes, *headers: tuple[str, str]) -> None:
        self.send_response(status)
        for name, value in (*headers, ("Content-Length", str(len(content)))):
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *_: object) -> None:
        pass
