"""The server as an application without a network, and as a process."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import msgspec

from mlops_cli.bundle.reader import open_bundle
from mlops_cli.serving.app import App
from mlops_cli.serving.golden import replay
from mlops_cli.serving.predictor import open_predictor


class Client:
    """Asks an application as an ASGI server would, without a network."""

    def __init__(self, app: App) -> None:
        self.app = app

    async def ask(
        self,
        method: str,
        path: str,
        body: bytes = b"",
        headers: list[tuple[bytes, bytes]] | None = None,
    ) -> tuple[int, dict[bytes, bytes], bytes]:
        """Status, headers and body of the answer."""
        sent: list[Any] = []

        async def receive() -> Any:
            return {"type": "http.request", "body": body, "more_body": False}

        async def send(message: Any) -> None:
            sent.append(message)

        scope = {"type": "http", "method": method, "path": path, "headers": headers or []}
        await self.app(scope, receive, send)
        start, content = sent
        return start["status"], dict(start["headers"]), content["body"]

    async def predict(self, value: Any) -> tuple[int, Any]:
        """Status and decoded answer for a value that becomes JSON."""
        status, _, body = await self.ask("POST", "/v1/predict", msgspec.json.encode(value))
        return status, msgspec.json.decode(body)


def client_of(path: Path) -> Client:
    """The application of a bundle, started as the server starts it."""
    bundle = open_bundle(path)
    predictor = open_predictor(bundle)
    replay(bundle, predictor)
    return Client(App(bundle, predictor))


PROGRAM = ("-m", "mlops_cli.serving")


def command(bundle: Path, *arguments: str, program: tuple[str, ...] = PROGRAM) -> list[str]:
    """The command that serves `bundle`."""
    return [sys.executable, *program, "--bundle", str(bundle), *arguments]


@contextmanager
def serving(
    bundle: Path,
    *arguments: str,
    fds: tuple[int, ...] = (),
    program: tuple[str, ...] = PROGRAM,
) -> Iterator[subprocess.Popen[bytes]]:
    """A server that has said that it is ready; killed at the end if it still runs."""
    ready, write = os.pipe()
    process = subprocess.Popen(
        command(bundle, *arguments, "--ready-fd", str(write), program=program),
        pass_fds=(write, *fds),
        stderr=subprocess.PIPE,
    )
    os.close(write)
    try:
        with os.fdopen(ready, "rb") as said:
            line = said.readline()
        if line != b"ready\n":
            process.kill()
            raise AssertionError(
                (line + process.stderr.read()).decode() if process.stderr else line
            )
        yield process
    finally:
        process.kill()
        process.communicate()
