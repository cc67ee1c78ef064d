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

from learning import events
from small import INIT, MLOPS, at_work, mlops, registered


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
) -> Iterator[subprocess.CompletedProcess[str]]:
    """Kill the command at several of its moments, and give how it ended the time after."""
    reset()
    started = time.monotonic()
    first = mlops(folder, *arguments)
    assert first.returncode == 0, first.stderr
    for after, group in moments(times, time.monotonic() - started):
        reset()
        while not kill(folder, arguments, after, group=group):  # the first time may be the slowest
            after *= 0.7
            reset()
        yield mlops(folder, *arguments)


def results(project: Path) -> dict[str, str]:
    paths = [*(project / "model").iterdir(), project / "metrics.json", project / "tune/best.json"]
    kept = [path for path in paths if path.name != "provenance.json"]
    return {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in kept}


@pytest.mark.parametrize("times", [2, pytest.param(12, marks=pytest.mark.slow)])
def test_init(tmp_path: Path, times: int) -> None:
    pq.write_table(events(300, "binary"), tmp_path / "events.parquet")

    def reset() -> None:
        shutil.rmtree(tmp_path / "small", ignore_errors=True)

    for again in disturb(tmp_path, INIT, times, reset):
        assert again.returncode == 0, again.stderr
        assert mlops(tmp_path / "small", "status").returncode == 0
        log = ["git", "log", "--format=%s"]
        said = subprocess.run(log, cwd=tmp_path / "small", capture_output=True, text=True)
        assert len(said.stdout.splitlines()) == 1
        assert sorted(p.name for p in tmp_path.iterdir()) == ["events.parquet", "small"]
        assert not at_work(tmp_path)


@pytest.mark.parametrize("times", [2, pytest.param(20, marks=pytest.mark.slow)])
def test_run(made: Path, done: Path, tmp_path: Path, times: int) -> None:
    project, wanted = tmp_path / "small", results(done)

    def reset() -> None:
        shutil.rmtree(project, ignore_errors=True)
        shutil.copytree(made, project, symlinks=True)

    for again in disturb(project, ("run",), times, reset):
        assert again.returncode == 0, again.stderr
        assert results(project) == wanted
        assert len(registered(project)) == 1
        assert not at_work(project)
        assert not remains(project)


HOLD = """\
  hold:
    cmd: 'touch held && sleep 600'
"""


def test_first_ends_with_the_run_that_was_asked(done: Path, tmp_path: Path) -> None:
    project = tmp_path / "small"
    shutil.copytree(done, project, symlinks=True)
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


@pytest.mark.slow
def test_register(done: Path, tmp_path: Path) -> None:
    project = tmp_path / "small"

    def reset() -> None:
        shutil.rmtree(project, ignore_errors=True)
        shutil.copytree(done, project, symlinks=True)
        for path in ("mlartifacts", ".dvc/tmp", ".dvc/cache/runs"):
            shutil.rmtree(project / path, ignore_errors=True)
        for path in ("mlflow.db", "decision.json"):
            (project / path).unlink()

    for again in disturb(project, ("register",), 12, reset):
        assert again.returncode == 0, again.stderr
        assert len(registered(project)) == 1
        assert not remains(project)


@pytest.mark.parametrize("times", [2, pytest.param(12, marks=pytest.mark.slow)])
def test_score(done: Path, tmp_path: Path, times: int) -> None:
    project, scored = tmp_path / "small", tmp_path / "small/scored.parquet"
    shutil.copytree(done, project, symlinks=True)
    command = ("score", "data/raw/events.parquet", "scored.parquet")
    whole = None
    for again in disturb(project, command, times, lambda: scored.unlink(missing_ok=True)):
        assert again.returncode == 0, again.stderr
        digest = hashlib.sha256(scored.read_bytes()).hexdigest()
        assert digest == (whole := whole or digest)
        assert not remains(project)


@pytest.mark.slow
def test_deploy(done: Path, tmp_path: Path) -> None:
    project = tmp_path / "small"
    shutil.copytree(done, project, symlinks=True)

    def reset() -> None:
        assert mlops(project, "deploy", "--stop").returncode == 0
        assert not at_work(project)

    try:
        for again in disturb(project, ("deploy", "--port", "18437"), 12, reset):
            assert again.returncode == 0, again.stderr
            until = time.monotonic() + 120  # a worker that is replaced first ends its requests
            while len(at_work(project)) > 2 and time.monotonic() < until:
                time.sleep(0.1)
            assert len(at_work(project)) == 2  # the supervisor and its worker
    finally:
        reset()
    assert not remains(project)


@pytest.mark.slow
@pytest.mark.docker
@pytest.mark.usefixtures("docker_engine")
def test_package_build(done: Path, tmp_path: Path) -> None:
    from mlops_cli import _docker

    project = tmp_path / "small"
    shutil.copytree(done, project, symlinks=True)

    def left() -> int:
        with _docker.engine("the engine cannot be asked") as client:
            return len(client.containers.list(all=True))

    def reset() -> None:
        with _docker.engine("the engine cannot be asked") as client:
            for image in client.images.list(name="small"):
                client.images.remove(image.id, force=True)

    before = left()
    for again in disturb(project, ("package", "--build"), 6, reset):
        assert again.returncode == 0, again.stderr
        assert left() == before
        assert not remains(project)
    reset()
