"""`mlops demo`: the whole loop on bundled real data, by the very commands that a user types."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Annotated

import typer

from mlops_cli.cli.execute import execute
from mlops_cli.errors import DriftError, UsageError, error_of_exit_code


def demo_command(
    directory: Annotated[
        Path | None, typer.Argument(metavar="[DIR]", help="Must not exist; default: a new folder.")
    ] = None,
) -> None:
    """Run the whole loop on real flights and weather: at most 90 seconds, no network."""
    execute("demo", lambda: _demo(_folder(directory)), _render)


def _folder(directory: Path | None) -> Path:
    import tempfile

    if directory is None:
        return Path(tempfile.mkdtemp(prefix="mlops-demo-")) / "delays"
    if directory.exists():
        raise UsageError(f"{directory} exists", hint="name a folder that does not, or none")
    return directory.absolute()


def _demo(project: Path) -> Path:
    import shutil

    from mlops_cli._templates import template_folder

    tables = template_folder() / "demo"
    flights = str(tables / "flights.parquet")
    project.parent.mkdir(parents=True, exist_ok=True)
    target = ("--target", "late = arr_delay > 15", "--time", "time_hour")
    _mlops(project.parent, "init", project.name, "--data", flights, *target)
    typer.echo("# the weather of the hour before, and a small search: see mlops.yaml")
    shutil.copyfile(tables / "weather.parquet", project / "data/raw/weather.parquet")
    shutil.copyfile(tables / "mlops.yaml", project / "mlops.yaml")
    shutil.copyfile(tables / "summer.parquet", project / "summer.parquet")
    _mlops(project, "run")
    try:
        _mlops(project, "deploy", "--port", str(port := _free_port()))
        _predict(project, port)
        _mlops(project, "score", "summer.parquet", "scored.parquet")
        _mlops(project, "drift", "--current", "summer.parquet", expected=DriftError.exit_code)
        _mlops(project, "status")
    finally:
        _mlops(project, "deploy", "--stop")
    return project


def _mlops(cwd: Path, *arguments: str, expected: int = 0) -> None:
    shown = [f"'{a}'" if " " in a else a for a in arguments]
    typer.echo(f"\n$ mlops {' '.join(shown)}")
    code = subprocess.run([sys.executable, "-m", "mlops_cli", *arguments], cwd=cwd).returncode
    if code == 130:
        raise KeyboardInterrupt
    if code != expected:
        raise error_of_exit_code(code, f"`mlops {arguments[0]}` ended with exit code {code}")


def _predict(project: Path, port: int) -> None:
    import http.client

    typer.echo(f"\n$ curl localhost:{port}/v1/predict -d @examples/request.json")
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    connection.request("POST", "/v1/predict", (project / "examples/request.json").read_bytes())
    typer.echo(connection.getresponse().read().decode())
    connection.close()


def _free_port() -> int:
    import socket

    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return int(s.getsockname()[1])


def _render(project: Path) -> None:
    typer.echo(f"""
made in {project}:
  mlops.yaml             the configuration       model/              the bundle that is served
  reports/drift.html     what drifted            decision.json       why it became the champion
  metrics.json           how good it is          mlflow.db           every trial, run and version
try next, in that folder:
  mlops status
  dvc metrics show
  mlops serve""")
