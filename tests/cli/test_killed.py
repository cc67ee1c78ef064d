"""Commands killed with -9 at any moment, alone or with their group: the same command ends well."""

from __future__ import annotations

import hashlib
import json
import os
import random
import shutil
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pyarrow.parquet as pq
import pytest

import projects
from command_line import MLOPS, Done, at_work, mlops_process
from learning import events
from projects import registered

pytestmark = pytest.mark.slow
INIT = ("init", "small", "--data", "events.parquet", "--target", "target", "--time", "at")


def kill(cwd: Path, arguments: tuple[str, ...], after: float, *, group: bool) -> bool:
    """Whether the command was still running when it was killed."""
    with subprocess.Popen(
        [MLOPS, *arguments],
        cwd=cwd,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    ) as process:
        time.sleep(after)
        running = process.poll() is None
        if running:
            (os.killpg if group else os.kill)(process.pid, signal.SIGKILL)
    return running


def remains(folder: Path) -> list[str]:
    """Temporary files and folders, but for what git and DVC keep in theirs."""
    return [
        str(path.relative_to(folder))
        for path in folder.rglob("*.tmp*")
        if not {".git", ".dvc"} & set(path.parts)
    ]


def moments(count: int, seconds: float) -> Iterator[tuple[float, bool]]:
    """Moments of a command that takes so many seconds, alternately for it alone and its group."""
    chance = random.Random(7)
    for number in range(count):
        share = (number + chance.random()) / count
        yield 0.1 + share * max(0.0, seconds - 0.2), bool(number % 2)


def disturb(
    folder: Path, arguments: tuple[str, ...], times: int, reset: Callable[[], None]
) -> Iterator[Done]:
    """Kill the command at several of its moments, and give how it ended the time after."""
    reset()
    started = time.monotonic()
    first = mlops_process(folder, *arguments)
    assert first.code == 0, first.said
    for after, group in moments(times, time.monotonic() - started):
        reset()
        while not kill(folder, arguments, after, group=group):  # the first time may be the slowest
            after *= 0.7
            reset()
        yield mlops_process(folder, *arguments)


def results(project: Path) -> dict[str, str]:
    paths = [*(project / "model").iterdir(), project / "metrics.json", project / "tune/best.json"]
    kept = [path for path in paths if path.name != "provenance.json"]
    return {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in kept}


def test_init(tmp_path: Path) -> None:
    pq.write_table(events(300, "binary"), tmp_path / "events.parquet")

    def reset() -> None:
        shutil.rmtree(tmp_path / "small", ignore_errors=True)

    for again in disturb(tmp_path, INIT, 12, reset):
        assert again.code == 0, again.said
        assert mlops_process(tmp_path / "small", "status").code == 0
        log = ["git", "log", "--format=%s"]
        said = subprocess.run(log, cwd=tmp_path / "small", capture_output=True, text=True)
        assert len(said.stdout.splitlines()) == 1
        assert sorted(p.name for p in tmp_path.iterdir()) == ["events.parquet", "small"]
        assert not at_work(tmp_path)


def test_run(tmp_path: Path) -> None:
    project, wanted = tmp_path / "small", results(projects.finished("parcels"))

    def reset() -> None:
        shutil.rmtree(project, ignore_errors=True)
        projects.copy(projects.started("parcels"), project)

    for again in disturb(project, ("run",), 20, reset):
        assert again.code == 0, again.said
        assert results(project) == wanted
        assert len(registered(project)) == 1
        assert not at_work(project)
        assert not remains(project)


HOLD = """\
  hold:
    cmd: 'touch held && sleep 600'
"""


def test_first_ends_with_the_run_that_was_asked(tmp_path: Path) -> None:
    project = tmp_path / "small"
    projects.copy(projects.finished("parcels"), project)
    pipeline = project / "dvc.yaml"
    ours = pipeline.read_text()
    pipeline.write_text(ours.replace("stages:\n", f"stages:\n{HOLD}"))
    with subprocess.Popen(
        [MLOPS, "run", "hold", "--first"],
        cwd=project,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    ) as process:
        until = time.monotonic() + 60
        while not (project / "held").exists() and time.monotonic() < until:
            time.sleep(0.05)
        os.killpg(process.pid, signal.SIGKILL)
    assert (project / "held").exists()
    assert process.returncode == -signal.SIGKILL
    pipeline.write_text(ours)
    (project / "decision.json").unlink()
    given = {**os.environ, "MLOPS_FIRST": "1"}  # a shell's: what counts is the option alone
    ran = subprocess.run([MLOPS, "run"], cwd=project, env=given, capture_output=True)
    assert ran.returncode == 0, ran.stderr
    gate = json.loads((project / "decision.json").read_text())["gates"][-1]
    assert gate["why"].endswith("is the champion")


def test_register(tmp_path: Path) -> None:
    project = tmp_path / "small"

    def reset() -> None:
        shutil.rmtree(project, ignore_errors=True)
        projects.copy(projects.finished("parcels"), project)
        for path in ("mlartifacts", ".dvc/tmp", ".dvc/cache/runs"):
            shutil.rmtree(project / path, ignore_errors=True)
        for path in ("mlflow.db", "decision.json", "governance/audit.jsonl"):
            (project / path).unlink()

    for again in disturb(project, ("register",), 12, reset):
        assert again.code == 0, again.said
        assert len(registered(project)) == 1
        assert not remains(project)


def test_score(tmp_path: Path) -> None:
    project, scored = tmp_path / "small", tmp_path / "small/scored.parquet"
    projects.copy(projects.finished("parcels"), project)
    command = ("score", "data/raw/parcels.csv", "scored.parquet")
    whole = None
    for again in disturb(project, command, 12, lambda: scored.unlink(missing_ok=True)):
        assert again.code == 0, again.said
        digest = hashlib.sha256(scored.read_bytes()).hexdigest()
        assert digest == (whole := whole or digest)
        assert not remains(project)


def test_deploy(tmp_path: Path) -> None:
    project = tmp_path / "small"
    projects.copy(projects.finished("parcels"), project)

    def reset() -> None:
        assert mlops_process(project, "deploy", "--stop").code == 0
        assert not at_work(project)

    try:
        for again in disturb(project, ("deploy", "--port", "18437"), 12, reset):
            assert again.code == 0, again.said
            until = time.monotonic() + 120  # a worker that is replaced first ends its requests
            while len(at_work(project)) > 2 and time.monotonic() < until:
                time.sleep(0.1)
            assert len(at_work(project)) == 2  # the supervisor and its worker
    finally:
        reset()
    assert not remains(project)


@pytest.mark.docker
@pytest.mark.usefixtures("docker_engine")
def test_package_build(tmp_path: Path) -> None:
    from mlops_cli import _docker

    project = projects.copy(projects.finished("p"), tmp_path / "small")
    digest = hashlib.sha256((project / "model/manifest.json").read_bytes()).hexdigest()
    mine = {"label": f"dev.mlops-cli.digest={digest}"}

    def left() -> int:
        with _docker.engine("the engine cannot be asked") as client:
            return len(client.containers.list(all=True, filters=mine))

    def reset() -> None:
        with _docker.engine("the engine cannot be asked") as client:
            for image in client.images.list(name="p"):
                client.images.remove(image.id, force=True)

    for again in disturb(project, ("package", "--build"), 6, reset):
        assert again.code == 0, again.said
        assert left() == 0
        assert not remains(project)
    reset()
