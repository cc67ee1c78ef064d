"""A clone, what a merge leaves, a registry that is not whole: the way out, before the search."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from mlflow import MlflowClient

import projects
from command_line import Mlops
from mlops_cli.stages import stage
from said import check
from trips import git


@pytest.fixture
def committed(project: Path) -> Path:
    git(project, "add", "--all")
    git(project, "-c", "user.name=a", "-c", "user.email=a@b", "commit", "--quiet", "-m", "a run")
    return project


@pytest.fixture
def clone(committed: Path) -> Path:
    """What a clone has after `dvc pull`."""
    for name in (".mlops", "mlartifacts"):
        shutil.rmtree(committed / name)
    (committed / "mlflow.db").unlink()
    return committed


@pytest.mark.parametrize(
    "name",
    ["mlops.yaml", "dvc.yaml", "contracts/table.yaml", "data/raw/table.csv.dvc", "dvc.lock"],
)
def test_the_marks_of_a_merge(project: Path, mlops: Mlops, name: str) -> None:
    file = project / name
    first, *rest = file.read_text().splitlines(keepends=True)
    marked = f"<<<<<<< HEAD\n{first}=======\n{first}>>>>>>> other\n"
    file.write_text("# a word\n" + marked + "".join(rest))
    text = file.read_text()
    check(mlops(project, "run"), "merge-marks-in-lock" if name == "dvc.lock" else "merge-marks")
    assert file.read_text() == text
    if name == "dvc.lock":
        assert "not known: dvc.lock, line 2" in mlops(project, "status", code=0).out


def test_a_clone_deploys_what_the_log_names(clone: Path, mlops: Mlops) -> None:
    done = mlops(clone, "deploy", "--plan", "--json", code=0)
    digests = [entry["subject"]["digest"] for entry in _log(clone, mlops)]
    assert done.result["digest"] == digests[-1]
    assert git(clone, "status", "--porcelain") == ""
    assert not (clone / "mlflow.db").exists()
    shutil.rmtree(clone / "model")  # what was found once stays
    assert mlops(clone, "deploy", "--plan", "--json", code=0).result == done.result


def test_a_clone_without_the_bundle_says_what_to_do(clone: Path, mlops: Mlops) -> None:
    shutil.rmtree(clone / "model")
    check(mlops(clone, "deploy"), "champion-lost")
    assert git(clone, "status", "--porcelain") == ""


def test_a_clone_that_changed_something_is_told_before_the_search(
    clone: Path, mlops: Mlops
) -> None:
    assert mlops(clone, "run", code=0).err.count("tune") == 0, "nothing changed"
    config = clone / "mlops.yaml"
    config.write_text(config.read_text().replace("rounds: 5", "rounds: 6"))
    done = mlops(clone, "run")
    check(done, "champion-lost-here")
    assert "tune" not in done.err
    assert git(clone, "status", "--porcelain") == " M mlops.yaml\n"


def test_register_makes_the_registry_anew(clone: Path, mlops: Mlops) -> None:
    before = _log(clone, mlops)
    made = mlops(clone, "register", "--json", code=0).result
    assert made["registration"]["state"] == "champion"
    assert projects.registered(clone) == [before[-1]["subject"]["digest"]]
    assert _log(clone, mlops) == before, "the same model is the champion as before"
    assert git(clone, "status", "--porcelain") == ""


def _log(project: Path, mlops: Mlops) -> list[dict[str, dict[str, str]]]:
    entries: list[dict[str, dict[str, str]]] = mlops(project, "audit", "--json", code=0).result[
        "entries"
    ]
    return entries


TUNE = ("stage", "tune", "--revision", stage("tune").revision)


def test_an_experiment_that_was_deleted(project: Path, mlops: Mlops) -> None:
    client = MlflowClient(f"sqlite:///{project}/mlflow.db")
    found = client.get_experiment_by_name("p")
    assert found is not None
    client.delete_experiment(found.experiment_id)
    before = (project / "tune/best.json").stat().st_mtime_ns
    check(mlops(project, *TUNE), "experiment-deleted")
    assert (project / "tune/best.json").stat().st_mtime_ns == before


@pytest.mark.parametrize("keep", [0, 100])
def test_a_database_that_is_not_whole(project: Path, mlops: Mlops, keep: int) -> None:
    file = project / "mlflow.db"
    whole = file.read_bytes()
    file.write_bytes(whole[:keep] + b"\0" * 5000 + whole[keep + 5000 :])
    check(mlops(project, *TUNE), "database-broken")


@pytest.mark.slow
def test_a_clone_and_a_pull(committed: Path, mlops: Mlops, tmp_path: Path) -> None:
    _dvc(committed, "remote", "add", "--default", "here", str(tmp_path / "remote"))
    git(committed, "-c", "user.name=a", "-c", "user.email=a@b", "commit", "-qam", "a remote")
    _dvc(committed, "push")
    git(tmp_path, "clone", "--quiet", str(committed), "clone")
    _dvc(tmp_path / "clone", "pull")
    assert mlops(tmp_path / "clone", "deploy", "--plan", "--json", code=0).result["changes"]
    assert git(tmp_path / "clone", "status", "--porcelain") == ""


def _dvc(project: Path, *arguments: str) -> None:
    command = [sys.executable, "-m", "dvc", "--quiet", *arguments]
    subprocess.run(command, cwd=project, check=True, capture_output=True)
