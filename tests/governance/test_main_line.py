"""Which branch is the main line, where a model becomes the champion without being asked."""

from __future__ import annotations

from pathlib import Path

import pytest

from audit_logs import git
from mlops_cli.config.load import check_config
from mlops_cli.config.project import Project
from mlops_cli.governance.main_line import off_main_line


def project_in(root: Path, **register: str) -> Project:
    root.mkdir(exist_ok=True)
    config = {"project": "demo", "task": "binary", "data": {"table": "x.csv", "target": "y"}}
    return Project(root, check_config({**config, "register": register}, file="mlops.yaml"))


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    git(tmp_path, "init", "-q", "-b", "main")
    git(tmp_path, "commit", "-q", "--allow-empty", "-m", "first")
    return tmp_path


def test_without_git_there_is_one_line_only(tmp_path: Path) -> None:
    assert off_main_line(project_in(tmp_path)) is None


@pytest.mark.parametrize("name", ["main", "master", "trunk"])
def test_before_the_first_commit_and_after_it(tmp_path: Path, name: str) -> None:
    git(tmp_path, "init", "-q", "-b", name)
    project = project_in(tmp_path / "inside")
    assert off_main_line(project) is None
    git(tmp_path, "commit", "-q", "--allow-empty", "-m", "first")
    assert off_main_line(project) is None


def test_a_branch_is_not_the_main_line(repository: Path) -> None:
    git(repository, "switch", "-qc", "try")
    assert off_main_line(project_in(repository)) == "the main line is main, and this is try"
    assert off_main_line(project_in(repository, branch="try")) is None
    git(repository, "branch", "-qm", "main", "trunk")
    why = off_main_line(project_in(repository)) or ""
    assert "set register.branch" in why


def test_the_remote_says_which_one_it_is(repository: Path, tmp_path: Path) -> None:
    git(repository, "branch", "-q", "develop")
    git(repository, "switch", "-q", "develop")
    clone = tmp_path / "clone"
    git(repository, "clone", "-q", ".", "clone")
    assert off_main_line(project_in(clone)) is None
    git(clone, "switch", "-qc", "main", "origin/main")
    assert off_main_line(project_in(clone)) == "the main line is develop, and this is main"


def test_a_commit_without_a_branch_counts_where_the_main_line_stands(repository: Path) -> None:
    git(repository, "switch", "-q", "--detach")
    assert off_main_line(project_in(repository)) is None
    git(repository, "commit", "-q", "--allow-empty", "-m", "as a pull request is merged")
    assert off_main_line(project_in(repository)) == "the main line is main, and this is no branch"


@pytest.mark.parametrize("name", ["DVC_EXP_NAME", "DVC_EXP_BASELINE_REV"])
def test_an_experiment_is_never_the_main_line(
    repository: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.setenv(name, "lurid-mole")
    assert "experiment" in (off_main_line(project_in(repository)) or "")


def test_a_repository_that_git_refuses_is_not_taken_for_none(
    repository: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", "")
    assert off_main_line(project_in(repository)) is not None
