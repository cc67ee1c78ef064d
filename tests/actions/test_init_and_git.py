"""`mlops init` and git: what is committed, where nothing may be, and who signs it."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from mlops_cli.config.load import load_project
from mlops_cli.contracts.model import load_contract
from mlops_cli.errors import UsageError
from mlops_cli.pipeline.dvc_yaml import check_dvc_yaml
from mlops_cli.scaffold import place
from trips import git, made, trips

pytestmark = pytest.mark.usefixtures("no_git_identity")


def test_in_the_current_folder_nothing_is_written_above_its_parent(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    data, _ = trips(tmp_path)
    (tmp_path / "a/trips").mkdir(parents=True)
    asked: list[Path] = []
    real = place.temporary_beside
    monkeypatch.setattr(
        place, "temporary_beside", lambda path: asked.append(made := real(path)) or made
    )
    monkeypatch.chdir(tmp_path / "a/trips")
    made(Path(), data)
    assert [path.parent for path in asked] == [tmp_path / "a"]


def test_a_project_is_made_and_committed(tmp_path: Path) -> None:
    data, _ = trips(tmp_path)
    result = made(tmp_path / "work" / "delays", data, time="made")
    root = tmp_path / "work" / "delays"
    project = load_project(root)
    check_dvc_yaml(project)
    assert project.config.project == "delays"
    assert project.config.task == "binary"
    assert project.config.data.time == "made"
    features = project.config.features
    assert result.features == (*features.columns, *features.row)
    assert load_contract(root / "contracts/trips.yaml").types["made"] == "timestamp"
    assert git(root, "status", "--porcelain") == ""
    assert len(git(root, "log", "--oneline").splitlines()) == 1
    assert "data/raw/trips.parquet.dvc" in git(root, "ls-files").splitlines()
    assert (root / "data/raw/trips.parquet").read_bytes() == data.read_bytes()
    config = (root / ".dvc/config").read_text()
    assert "analytics = False" in config
    # Nothing in git says where it was made.
    assert str(tmp_path) not in git(root, "grep", "-h", "")


def test_a_reference_is_a_link_and_says_what_that_means(tmp_path: Path) -> None:
    data, _ = trips(tmp_path)
    result = made(tmp_path / "p", data, reference=True)
    link = tmp_path / "p/data/raw/trips.parquet"
    assert link.is_symlink()
    assert link.resolve() == data
    assert any("a clone" in w for w in result.warnings)
    assert git(tmp_path / "p", "status", "--porcelain") == ""
    assert str(tmp_path) not in git(tmp_path / "p", "grep", "-h", "")


def test_without_git(tmp_path: Path) -> None:
    made(tmp_path / "p", trips(tmp_path)[0], git=False)
    assert not (tmp_path / "p/.git").exists()
    assert (tmp_path / "p/data/raw/trips.parquet.dvc").is_file()


def test_inside_another_repository(tmp_path: Path) -> None:
    outer = tmp_path / "mono"
    outer.mkdir()
    git(outer, "init", "--quiet")
    (outer / "theirs.txt").write_text("not ours")
    made(outer / "models" / "p", trips(tmp_path)[0])
    assert not (outer / "models/p/.git").exists()
    assert (outer / ".dvc").is_dir()
    assert git(outer, "status", "--porcelain") == "?? theirs.txt\n"
    workflow = (outer / ".github/workflows/mlops-models-p.yml").read_text()
    assert "working-directory: models/p" in workflow


def test_a_folder_that_git_ignores_is_refused(tmp_path: Path) -> None:
    git(tmp_path, "init", "--quiet")
    (tmp_path / ".gitignore").write_text("scratch/\n")
    data, _ = trips(tmp_path)
    with pytest.raises(UsageError, match="scratch/p is ignored by the git repository in"):
        made(tmp_path / "scratch" / "p", data)
    assert not (tmp_path / "scratch").exists()
    made(tmp_path / "scratch" / "p", data, git=False)


def test_into_the_empty_folder_one_stands_in(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "here").mkdir()
    data, _ = trips(tmp_path)
    monkeypatch.chdir(tmp_path / "here")
    made(Path(), data)
    assert load_project(Path(os.getcwd())).config.project == "here"  # noqa: PTH109  the shell's view


def test_a_person_with_an_identity_signs_the_first_commit(tmp_path: Path) -> None:
    git(tmp_path, "config", "--global", "user.name", "Ada")
    git(tmp_path, "config", "--global", "user.email", "ada@example.org")
    made(tmp_path / "p", trips(tmp_path)[0])
    assert git(tmp_path / "p", "log", "--format=%an") == "Ada\n"


def dvc(folder: Path, *command: str) -> None:
    subprocess.run([sys.executable, "-m", "dvc", "--quiet", *command], cwd=folder, check=True)


def test_a_table_that_is_written_to_leaves_the_version_of_before(tmp_path: Path) -> None:
    data, _ = trips(tmp_path, suffix="csv")
    made(tmp_path / "p", data)
    table, before = tmp_path / "p/data/raw/trips.csv", data.read_bytes()
    with table.open("ab") as file:
        file.write(before.splitlines(keepends=True)[-1])
    dvc(tmp_path / "p", "add", "data/raw/trips.csv")
    with table.open("ab") as file:
        file.write(before.splitlines(keepends=True)[-1])
    git(tmp_path / "p", "checkout", "data/raw/trips.csv.dvc")
    dvc(tmp_path / "p", "checkout", "--force", "data/raw/trips.csv")
    assert table.read_bytes() == before
