"""Servers side by side: ours with all that production has, others, and wrk, which asks them."""

from __future__ import annotations

import json
import os
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import duckdb

from benchmarks.measure import Failed, Run, median, memory_of_tree, run
from mlops_cli.serving.auth import Key, digest_of_key, format_keys

CONNECTIONS = 32
SECONDS = 5
_BY_HAND = Path(__file__).with_name("by_hand")
_LUA = Path(__file__).with_name("post.lua")
_START = 120  # seconds within which a server must answer


class Server:
    """A server on a port of this machine, and the request that it is asked with."""

    def __init__(
        self, work: Path, port: int, path: str, body: object, headers: Mapping[str, str]
    ) -> None:
        self.port = port
        self.url = f"http://127.0.0.1:{port}{path}"
        self.headers = {"content-type": "application/json", **headers}
        self.body = json.dumps(body).encode()
        self.pid = 0
        self._work = work

    def once(self) -> Any:
        """What it answers. Raises `OSError` where it does not, or with an error."""
        request = urllib.request.Request(self.url, self.body, self.headers)
        with urllib.request.urlopen(request, timeout=10) as answer:
            return json.load(answer)

    def load(self, connections: int = CONNECTIONS, seconds: int = SECONDS) -> Run:
        """Connections that ask again when they are answered, by wrk.

        `said` has requests, seconds, p50 and p99 in ms. Raises `Failed` for any error.
        """
        (file := self._work / f"{self.port}.json").write_bytes(self.body)
        headers = [f"-H{name}: {value}" for name, value in self.headers.items()]
        wrk = ["wrk", "-t1", f"-c{connections}", f"-d{seconds}s", "--timeout", "20s"]
        command = [*wrk, *headers, "-s", str(_LUA), self.url]
        taken = run(command, self._work, env={"POST_BODY": str(file)})
        file.unlink()
        if taken.said["errors"]:
            raise Failed(f"{self.url} gave {taken.said['errors']} errors")
        return taken

    def memory(self) -> int:
        """The proportional set sizes of all its processes, in bytes."""
        return memory_of_tree(self.pid)


@contextmanager
def serving(
    server: Server,
    command: Sequence[str],
    env: Mapping[str, str] | None = None,
    cwd: Path | None = None,
) -> Iterator[Server]:
    """The server that this command starts, from when it answers until the block ends."""
    if not shutil.which("wrk"):
        raise Failed("wrk is not installed: apt install wrk")
    with tempfile.TemporaryFile() as said:
        process = subprocess.Popen(
            command,
            env={**os.environ, **(env or {})},
            cwd=cwd,
            stdout=said,
            stderr=said,
            start_new_session=True,
        )
        server.pid = process.pid
        try:
            if not _answers(process, server):
                said.seek(0)
                raise Failed(f"{command} does not answer:\n{said.read().decode()[-2000:]}")
            yield server
        finally:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGTERM)
            try:
                process.wait(60)
            except subprocess.TimeoutExpired:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()


@contextmanager
def ours(work: Path, bundle: Path, body: object, **settings: str) -> Iterator[Server]:
    """Our server as an image runs it: with keys and the prediction log, checks and metrics.

    `settings` are further ones: `workers="2"` is `MLOPS_SERVE_WORKERS=2`; `log="null"` is the log
    switched off.
    """
    key, keys, log = secrets.token_urlsafe(32), work / "keys", work / "prediction_log"
    shutil.rmtree(log, ignore_errors=True)
    known = Key("bench", digest_of_key(key.encode()), ("predict",), datetime.now(UTC))
    keys.write_bytes(format_keys([known]))
    if settings.get("log") != "null":
        settings = {"log__dir": str(log), **settings}
    settings = {"keys": str(keys), **settings}
    env = {f"MLOPS_SERVE_{name.upper()}": value for name, value in settings.items()}
    port = free_port()
    server = Server(work, port, "/v1/predict", body, {"authorization": f"Bearer {key}"})
    with serving(server, serve_command(bundle, port), env):
        yield server


def serve_command(bundle: Path, port: int) -> list[str]:
    """The command of an image."""
    module = [sys.executable, "-m", "mlops_cli.serving"]
    return [*module, "--bundle", str(bundle), "--port", str(port)]


@contextmanager
def bare(work: Path) -> Iterator[Server]:
    """An ASGI application that answers a constant, on uvicorn as it comes, without its log."""
    port = free_port()
    command = [sys.executable, "-m", "uvicorn", "bare:app", "--no-access-log", "--port", str(port)]
    with serving(Server(work, port, "/", {}, {}), command, cwd=_BY_HAND) as server:
        yield server


def events(project: Path, n: int) -> list[dict[str, Any]]:
    """So many of a project's rows with all that the model reads, none of it missing."""
    manifest = json.loads((project / "model/manifest.json").read_text())
    names = [i["name"] for i in manifest["inputs"]]
    columns = ", ".join(f'"{name}"' for name in names)
    there = " and ".join(f'"{name}" is not null' for name in names)
    rows = f"from '{project / 'data/features.parquet'}' where {there} limit {n}"
    with duckdb.connect() as connection:
        found = connection.execute(f"select {columns} {rows}").fetchall()
    return [dict(zip(names, row, strict=True)) for row in found]


def same(*answers: float) -> None:
    """Hold what several servers say of one event to each other. Raises `Failed`."""
    if max(answers) - min(answers) > 1e-6:
        raise Failed(f"the servers do not answer the same: {answers}")


def free_port() -> int:
    """A port that nobody listens on."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])


def rate(one: Run) -> float:
    """The requests a second of a load."""
    return float(one.said["requests"] / one.said["seconds"])


def p50(one: Run) -> float:
    """The median time of an answer, in ms."""
    return float(one.said["p50"])


def p99(one: Run) -> float:
    """What 99 % of the answers took at most, in ms."""
    return float(one.said["p99"])


def load_parts(runs: Sequence[Run], memory: int) -> dict[str, float]:
    """What a line shows of one side."""
    return {
        "requests/s": median(runs, rate),
        "p50, ms": median(runs, p50),
        "p99, ms": median(runs, p99),
        "memory, MB": memory / 1e6,
    }


def _answers(process: subprocess.Popen[bytes], server: Server) -> bool:
    until = time.monotonic() + _START
    while time.monotonic() < until and process.poll() is None:
        with suppress(OSError):
            server.once()
            return True
        time.sleep(0.2)
    return False
