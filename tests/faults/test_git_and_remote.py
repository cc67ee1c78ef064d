"""No git, a git without identity, a remote that is away, a path with spaces."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from command_line import Mlops
from said import check


@pytest.fixture
def without_git(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "bin").mkdir()
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))


@pytest.mark.usefixtures("without_git")
def test_no_git(tmp_path: Path, table: Path, mlops: Mlops) -> None:
    asked = ("--data", table, "--target", "y")
    check(mlops(tmp_path, "init", "p", *asked), "no-git")
    assert not (tmp_path / "p").exists()
    check(mlops(tmp_path, "init", "p", *asked, "--no-git"), "no-git-wanted")
    assert mlops(tmp_path / "p", "status").code == 0


def test_git_without_identity(
    tmp_path: Path, table: Path, mlops: Mlops, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GIT_CONFIG_NOSYSTEM", "1")
    # A machine with a name for its mail gives git one; so it does as on one without.
    monkeypatch.setenv("GIT_CONFIG_COUNT", "1")
    monkeypatch.setenv("GIT_CONFIG_KEY_0", "user.useConfigOnly")
    monkeypatch.setenv("GIT_CONFIG_VALUE_0", "true")
    check(mlops(tmp_path, "init", "p", "--data", table, "--target", "y"), "no-identity")
    log = subprocess.run(
        ["git", "log", "--format=%an"], cwd=tmp_path / "p", capture_output=True, text=True
    )
    assert log.stdout.split() == ["mlops"]


def test_a_path_with_spaces_and_unicode(tmp_path: Path, table: Path, mlops: Mlops) -> None:
    folder = tmp_path / "grö ße 日本/b's"
    folder.mkdir(parents=True)
    data = table.rename(folder / "my täble 'x'.csv")
    check(mlops(folder, "init", "p", "--data", data.name, "--target", "y"), "path-with-spaces")
    done = mlops(folder / "p", "run", "featurize")
    assert done.code == 0, done.said


def _dvc(project: Path, *arguments: str) -> None:
    command = [sys.executable, "-m", "dvc", "--quiet", *arguments]
    subprocess.run(command, cwd=project, check=True, capture_output=True)


def test_a_dvc_remote_that_is_away(project: Path, mlops: Mlops, nobody_there: int) -> None:
    _dvc(project, "remote", "add", "--default", "away", f"http://127.0.0.1:{nobody_there}/x")
    (project / "reports/validate.json").unlink()
    check(mlops(project, "run", "validate"), "remote-away")
    (project / "data/raw/table.csv").unlink()
    check(mlops(project, "run"), "remote-away-data-gone")
