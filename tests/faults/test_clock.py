"""A clock that is set back: between two commands, and in the middle of one."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from command_line import Done, Mlops, mlops_process
from said import check

TABLE = "data/raw/table.csv"
SetClock = Callable[[str], None]


@pytest.fixture
def set_clock(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> SetClock:
    """Sets the clock that every process of this test reads, those that already run too."""
    libraries = sorted(Path("/usr/lib").glob("*/faketime/libfaketimeMT.so.1"))
    if not libraries:
        pytest.skip("no libfaketime here (Debian's package libfaketime)")
    now = tmp_path / "now"

    def set_to(offset: str) -> None:
        written = now.with_suffix(".tmp")
        written.write_text(offset)
        written.rename(now)

    set_to("+0")
    monkeypatch.setenv("LD_PRELOAD", str(libraries[0]))
    monkeypatch.setenv("FAKETIME_TIMESTAMP_FILE", str(now))
    monkeypatch.setenv("FAKETIME_NO_CACHE", "1")
    monkeypatch.setenv("FAKETIME_DONT_FAKE_MONOTONIC", "1")  # no setting of a clock moves it
    return set_to


def forget(project: Path) -> None:
    """Let everything run again."""
    (project / "dvc.lock").unlink()
    shutil.rmtree(project / ".dvc/cache")


def model(project: Path) -> dict[str, bytes]:
    paths = [path for path in (project / "model").iterdir() if path.name != "provenance.json"]
    return {path.name: path.read_bytes() for path in paths}


def year_of_the_run(project: Path) -> str:
    return str(json.loads((project / "model/provenance.json").read_text())["time"][:4])


def whole(project: Path, done: Done) -> None:
    assert done.code == 0, done.said
    assert "Traceback" not in done.said
    status = mlops_process(project, "status")
    assert status.said.count("up to date") == 6, status.said


def test_files_of_the_future(project: Path, mlops: Mlops) -> None:
    future = time.time() + 3 * 365 * 86400
    for path in (project, *project.rglob("*")):
        os.utime(path, (future, future), follow_symlinks=False)
    check(mlops(project, "status"), "clock-set-back-status")
    check(mlops(project, "run"), "clock-set-back")
    config = project / "mlops.yaml"
    config.write_text(config.read_text().replace("rounds: 5", "rounds: 6"))
    assert mlops(project, "status").said.count("up to date") < 6


@pytest.mark.slow
def test_between_two_runs(project: Path, set_clock: SetClock) -> None:
    made = model(project)
    forget(project)
    set_clock("+1095d")
    whole(project, mlops_process(project, "run"))
    later = year_of_the_run(project)
    assert model(project) == made
    set_clock("+0")
    check(mlops_process(project, "run"), "clock-set-back")
    forget(project)
    whole(project, mlops_process(project, "run"))
    assert model(project) == made
    assert year_of_the_run(project) < later
    assert mlops_process(project, "score", TABLE, "out.csv").code == 0
    assert mlops_process(project, "drift", "--current", TABLE).code == 0


@pytest.mark.slow
def test_in_the_middle_of_a_run(project: Path, set_clock: SetClock) -> None:
    made = model(project)
    forget(project)
    set_clock("+1095d")
    command = [sys.executable, "-m", "mlops_cli", "run"]
    past = datetime.now(UTC) - timedelta(days=1095)
    with subprocess.Popen(command, cwd=project, stderr=subprocess.PIPE, text=True) as run:
        assert run.stderr is not None
        said = ""
        for line in run.stderr:
            said += line
            if line.startswith("featurize: "):
                set_clock("-1095d")
    whole(project, Done(run.returncode, "", said))
    assert model(project) == made
    assert year_of_the_run(project) == str(past.year)
