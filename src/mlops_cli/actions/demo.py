"""The command `demo`: the whole loop on bundled real data, by the commands that a user types."""

from __future__ import annotations

import http.client
import shutil
import socket
import subprocess
import sys
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from mlops_cli._templates import template_folder
from mlops_cli.errors import DriftError, UsageError, error_of_exit_code
from mlops_cli.serving.contract import PREDICT


@dataclass(frozen=True, slots=True)
class DemoResult:
    """The folder of the project that was made."""

    project: str


@dataclass(frozen=True, slots=True)
class _Demo:
    project: Path
    on_line: Callable[[str], None]

    def mlops(self, *arguments: str, expected: int = 0, cwd: Path | None = None) -> None:
        """Type a command in the project's folder; its lines are told as they come."""
        shown = [f"'{a}'" if " " in a else a for a in arguments]
        self.on_line(f"\n$ mlops {' '.join(shown)}")
        command = [sys.executable, "-m", "mlops_cli", *arguments]
        with subprocess.Popen(
            command, cwd=cwd or self.project, stdout=subprocess.PIPE, text=True
        ) as process:
            for line in process.stdout or ():
                self.on_line(line.rstrip("\n"))
        if process.returncode == 130:
            raise KeyboardInterrupt
        if process.returncode != expected:
            said = f"`mlops {arguments[0]}` ended with exit code {process.returncode}"
            raise error_of_exit_code(process.returncode, said)

    def predict(self, port: int) -> None:
        """Ask the deployed model as a user would."""
        self.on_line(f"\n$ curl localhost:{port}/v1/predict -d @examples/request.json")
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
        request = (self.project / "examples/request.json").read_bytes()
        connection.request("POST", PREDICT, request)
        self.on_line(connection.getresponse().read().decode())
        connection.close()


def demo(
    directory: Path | None = None, *, on_line: Callable[[str], None] = lambda _: None
) -> DemoResult:
    """Run the whole loop in `directory` (default: a new folder); `on_line` gets what is printed.

    What is deployed for it is ended again. Raises `UsageError` where the folder exists, and the
    error of the command that failed.
    """
    project = _folder(directory)
    loop = _Demo(project, on_line)
    tables = template_folder() / "demo"
    project.parent.mkdir(parents=True, exist_ok=True)
    target = ("--target", "late = arr_delay > 15", "--time", "time_hour")
    flights = str(tables / "flights.parquet")
    loop.mlops("init", project.name, "--data", flights, *target, cwd=project.parent)
    on_line("# the weather of the hour before, and a small search: see mlops.yaml")
    shutil.copyfile(tables / "weather.parquet", project / "data/raw/weather.parquet")
    shutil.copyfile(tables / "mlops.yaml", project / "mlops.yaml")
    shutil.copyfile(tables / "summer.parquet", project / "summer.parquet")
    loop.mlops("run")
    try:
        loop.mlops("deploy", "--port", str(port := _free_port()))
        loop.predict(port)
        loop.mlops("score", "summer.parquet", "scored.parquet")
        loop.mlops("drift", "--current", "summer.parquet", expected=DriftError.exit_code)
        loop.mlops("status")
    finally:
        loop.mlops("deploy", "--stop")
    return DemoResult(str(project))


def _folder(directory: Path | None) -> Path:
    if directory is None:
        return Path(tempfile.mkdtemp(prefix="mlops-demo-")) / "delays"
    if directory.exists():
        raise UsageError(f"{directory} exists", hint="name a folder that does not, or none")
    return directory.absolute()


def _free_port() -> int:
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return int(s.getsockname()[1])
