"""Commands at once in one project: each ends right, or says who holds the lock."""

from __future__ import annotations

import hashlib
import json
import re
import shutil
import subprocess
import threading
import urllib.request
from pathlib import Path

import pytest

from command_line import MLOPS, mlops_process
from projects import registered
from servers import free_port

pytestmark = pytest.mark.slow


def unregister(project: Path) -> None:
    shutil.rmtree(project / "mlartifacts")
    for name in ("mlflow.db", "decision.json", "governance/audit.jsonl"):
        (project / name).unlink()


def digest(project: Path) -> str:
    return hashlib.sha256((project / "model/manifest.json").read_bytes()).hexdigest()


def start(project: Path, *arguments: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [MLOPS, *arguments], cwd=project, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE,
        text=True,
    )  # fmt: skip


def ends(commands: list[subprocess.Popen[str]]) -> list[int]:
    """The exit codes; who was refused was told which process is in the way."""
    codes = []
    for command in commands:
        _, said = command.communicate(timeout=300)
        codes.append(command.returncode)
        assert command.returncode in (0, 8), said
        if command.returncode == 8:
            assert re.search(r"another DVC command works in this project.*PID \d+", said, re.S)
    return codes


def test_two_runs_at_once(project: Path) -> None:
    config = project / "mlops.yaml"
    config.write_text(config.read_text().replace("rounds: 15", "rounds: 21"))
    assert 0 in ends([start(project, "run") for _ in range(2)])
    mlops_process(project, "run", code=0)
    digests = registered(project)
    assert digest(project) in digests
    assert len(digests) == len(set(digests))


def test_twenty_registrations_at_once(project: Path) -> None:
    unregister(project)
    assert 0 in ends([start(project, "register") for _ in range(20)])
    assert len(registered(project)) == 1


def test_a_run_does_not_disturb_what_serves(project: Path) -> None:
    asked = ("deploy", "--port", free_port(), "--json")
    url = mlops_process(project, *asked, code=0).result["url"]
    body = (project / "examples/request.json").read_bytes()
    answers: list[object] = []
    over = threading.Event()

    def ask() -> None:
        while not over.is_set():
            with urllib.request.urlopen(f"{url}/v1/predict", body, timeout=10) as answer:
                answers.append((answer.status, json.load(answer)["predictions"][0]["probability"]))

    asking = threading.Thread(target=ask)
    asking.start()
    try:
        config = project / "mlops.yaml"
        config.write_text(config.read_text().replace("rounds: 15", "rounds: 22"))
        mlops_process(project, "run", code=0)
    finally:
        over.set()
        asking.join()
        mlops_process(project, "deploy", "--stop")
    assert len(answers) > 10
    assert len(set(answers)) == 1
