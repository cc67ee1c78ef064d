"""The server against `mlflow models serve`: the flights' model with its row feature."""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import subprocess
import time
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path

import psutil

from benchmarks.data import trained
from benchmarks.measure import Failed, Run, median, pairs, program, python, run
from benchmarks.results import Figure, Line

PAIRS = 5
SECONDS = 5
CONNECTIONS = 32
_LUA = Path(__file__).parents[1] / "post.lua"
_START = 120  # seconds within which a server must answer


def measure(work: Path) -> Line:
    """One worker each, 32 connections that ask again when they are answered."""
    if not shutil.which("wrk"):
        raise Failed("wrk is not installed: apt install wrk")
    project = trained(work)
    event = json.loads((project / "examples/request.json").read_text())
    model = work / "mlflow_model"
    shutil.rmtree(model, ignore_errors=True)
    run(python("by_hand/mlflow_model.py", project / "model", model), work)
    ours = _Asked(work, "/v1/predict", event)
    theirs = _Asked(work, "/invocations", {"dataframe_records": [event]})
    serve = [program("mlops"), "serve", "--bundle", str(project / "model"), "--port"]
    models = [
        program("mlflow"),
        "models",
        "serve",
        "--env-manager",
        "local",
        "-m",
        str(model),
        "-p",
    ]
    with _serving(serve, ours) as our_memory, _serving(models, theirs) as their_memory:
        answers = ours.once()["predictions"][0]["probability"], theirs.once()["predictions"][0]
        if abs(answers[0] - answers[1]) > 1e-6:
            raise Failed(f"the two servers do not answer the same: {answers}")
        taken = pairs(ours.load, theirs.load, PAIRS, warm=True)
    return Line(
        title="The server, one worker, 32 connections, against `mlflow models serve`",
        figures=(
            Figure(
                "times the requests/s",
                taken.ratio(_rate),
                "x",
                target=20,
                at_least=True,
                pairs=PAIRS,
            ),
            Figure("p99", median(taken.ours, _p99), "ms", target=30, pairs=PAIRS),
        ),
        parts={
            "mlops serve": {**_parts(taken.ours), "memory, MB": our_memory() / 1e6},
            "mlflow models serve": {**_parts(taken.theirs), "memory, MB": their_memory() / 1e6},
        },
        note="MLflow's is a pyfunc that makes the row feature and the categories' numbers in "
        "pandas and calls the same booster; both servers answer the same probability, which is "
        "checked before. The load comes from the same cores.",
    )


class _Asked:
    """A server on a port of its own, and what it is asked."""

    def __init__(self, work: Path, path: str, body: Mapping[str, object]) -> None:
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        self._work = work
        self._url = f"http://127.0.0.1:{self.port}{path}"
        self._body = work / f"{path.strip('/').replace('/', '_')}.json"
        self._body.write_text(json.dumps(body), encoding="utf-8")

    def once(self) -> dict:
        headers = {"content-type": "application/json"}
        request = urllib.request.Request(self._url, self._body.read_bytes(), headers)
        with urllib.request.urlopen(request, timeout=10) as answer:
            return json.load(answer)

    def load(self) -> Run:
        command = ["wrk", "-t1", f"-c{CONNECTIONS}", f"-d{SECONDS}s", "-s", str(_LUA), self._url]
        taken = run(command, self._work, env={"POST_BODY": str(self._body)})
        if taken.said["errors"]:
            raise Failed(f"{self._url} gave {taken.said['errors']} errors")
        return taken


@contextmanager
def _serving(command: list[str], asked: _Asked) -> Iterator:
    """A server, once it answers; what is given tells its memory at its end."""
    process = subprocess.Popen(
        [*command, str(asked.port)],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    memory = 0

    def used() -> int:
        return memory

    try:
        _await(process, asked)
        yield used
        tree = [psutil.Process(process.pid), *psutil.Process(process.pid).children(recursive=True)]
        memory = sum(p.memory_full_info().pss for p in tree)
    finally:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGTERM)
        process.wait(60)


def _await(process: subprocess.Popen[bytes], asked: _Asked) -> None:
    until = time.monotonic() + _START
    while time.monotonic() < until and process.poll() is None:
        with suppress(OSError):
            asked.once()
            return
        time.sleep(0.2)
    raise Failed(f"{process.args} does not answer")


def _rate(one: Run) -> float:
    return float(one.said["requests"] / one.said["seconds"])


def _p99(one: Run) -> float:
    return float(one.said["p99"])


def _parts(runs: tuple[Run, ...]) -> dict[str, float]:
    return {
        "requests/s": median(runs, _rate),
        "p50, ms": median(runs, lambda r: float(r.said["p50"])),
        "p99, ms": median(runs, _p99),
    }
