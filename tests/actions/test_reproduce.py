"""A version is made again: what is the same, and the first thing that is not."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

import mlops_cli
import projects
from command_line import Mlops, mlops_process
from mlops_cli.bundle.manifest import MANIFEST, REQUIREMENTS
from mlops_cli.bundle.reader import open_bundle
from mlops_cli.config.load import load_project
from mlops_cli.errors import EnvironmentFault, UsageError
from mlops_cli.governance.reproduction import (
    Made,
    compare,
    difference_in_prediction,
    made_in,
    origin_of,
)
from mlops_cli.tracking import open_tracker

WHO = {"GIT_AUTHOR_NAME": "Ann", "GIT_AUTHOR_EMAIL": "ann@x.example",
       "GIT_COMMITTER_NAME": "Ann", "GIT_COMMITTER_EMAIL": "ann@x.example"}  # fmt: skip


def commit(project: Path) -> None:
    for command in (("add", "-A"), ("commit", "-qm", "work")):
        subprocess.run(["git", *command], cwd=project, check=True, env={**os.environ, **WHO})


@pytest.fixture
def project(tmp_path: Path) -> Path:
    made = projects.copy(projects.finished("p"), tmp_path / "p")
    commit(made)
    return made


def files(project: Path) -> dict[str, int]:
    parts = (p.relative_to(project) for p in project.rglob("*") if p.is_file())
    kept = [p for p in parts if p.parts[0] not in (".git", ".mlops", ".dvc")]
    kept += [p.relative_to(project) for p in (project / ".dvc/cache").rglob("*") if p.is_file()]
    return {str(p): (project / p).stat().st_mtime_ns for p in kept}


def again(project: Path, *command: str, code: int = 0) -> dict[str, Any]:
    found: dict[str, Any] = mlops_process(
        project, "reproduce", "--here", "--json", *command, code=code
    ).result
    return found


def test_the_same_commit_data_and_packages_make_the_same_bytes(project: Path) -> None:
    before = files(project)
    found = again(project)
    assert (found["verdict"], found["first_difference"]) == ("identical", None)
    assert found["made"] == found["digest"]
    assert found["environment"] == "here"
    assert all(then == now for then, now in found["metrics"].values())
    assert files(project) == before
    worktrees = subprocess.run(["git", "worktree", "list"], cwd=project, capture_output=True)
    assert len(worktrees.stdout.splitlines()) == 1


@pytest.mark.slow
def test_what_no_commit_holds_is_told_until_one_does(project: Path) -> None:
    config = project / "mlops.yaml"
    config.write_text(config.read_text().replace("rounds: 5", "rounds: 6"))
    mlops_process(project, "run", "--first", code=0)
    (*_, entry) = (project / "governance/audit.jsonl").read_text().splitlines()
    assert "diff" in json.loads(entry)["evidence"]
    found = again(project, code=4)
    assert (found["verdict"], found["first_difference"]) == ("different", "config")
    assert "registered with changes that no commit holds" in found["why"]
    commit(project)
    found = again(project)
    assert found["verdict"] == "identical", found


def test_a_version_that_no_commit_makes_is_refused(project: Path, mlops: Mlops) -> None:
    shutil.move(project / ".git", project.parent / "away")
    told = mlops(project, "reproduce", "--here", "--json", code=2).result
    assert "is not in git" in told["message"]
    told = mlops(project, "reproduce", "0" * 12, "--json", code=2).result
    assert "knows no version 000000000000" in told["message"]


def test_data_that_is_gone_is_told(project: Path, mlops: Mlops) -> None:
    shutil.rmtree(project / ".dvc/cache")
    told = mlops(project, "reproduce", "--here", "--json", code=8).result
    assert "data/raw/table.csv is neither in DVC's cache nor in its remote" in told["message"]


@pytest.fixture(scope="module")
def twins() -> tuple[Made, Made]:
    """A registered version, and the model of its workspace, which is the same."""
    project = load_project(projects.finished("p"))
    tracker = open_tracker(project)
    (version,) = tracker.versions()
    bundle = open_bundle(project.root / "model")
    now = made_in(project.root, project)
    evidence = json.loads(version.tags["mlops.evidence"])
    return Made(bundle, version.metrics, now.provenance, evidence), now


def _provenance(**changed: Any) -> Callable[[Made], Made]:
    return lambda made: replace(made, provenance={**made.provenance, **changed})


def _part(name: str) -> Callable[[Made], Made]:
    return lambda made: replace(made, parts={**made.parts, name: "0" * 64})


def _package(made: Made) -> Made:
    said = made.provenance["environment"]
    packages = {**said["packages"], "numpy": "1.0"}
    return _provenance(environment={**said, "packages": packages})(made)


PLANTED: dict[str, tuple[Callable[[Made], Made], str]] = {
    "code": (_provenance(code_digest="0" * 64), "another build of it"),
    "lock": (_package, "numpy 1.0 then"),
    "data": (_part("tables"), "tables"),
    "config": (_part("settings"), "mlops.yaml"),
    "features": (_provenance(data_digest="0" * 64), "other features"),
    "metrics": (lambda made: made, "brier: 0.5 then"),
}


@pytest.mark.parametrize("name", [*PLANTED])
def test_the_first_thing_that_differs_is_named(twins: tuple[Made, Made], name: str) -> None:
    then, now = twins
    assert compare(then, now, lambda: None) == ("identical", None, None)
    then = replace(then, metrics={**then.metrics, "brier": 0.5})
    for later in [*PLANTED][[*PLANTED].index(name) :]:  # what comes after it, too
        then = PLANTED[later][0](then)
    verdict, first, why = compare(then, now, lambda: None)
    assert (verdict, first) == ("different", name)
    assert PLANTED[name][1] in str(why)


def test_a_script_of_a_stage_of_ones_own_is_code(twins: tuple[Made, Made]) -> None:
    then, now = twins
    then = _part("scripts")(replace(then, metrics={**then.metrics, "brier": 0.5}))
    assert compare(then, now, lambda: None)[:2] == ("different", "code")


def test_other_bytes_with_the_same_predictions_are_equal(
    twins: tuple[Made, Made], tmp_path: Path
) -> None:
    then, now = twins
    folder = Path(shutil.copytree(then.bundle.path, tmp_path / "twin"))
    _replace(folder, REQUIREMENTS, lambda text: text.replace("msgspec==", "msgspec==9."))
    twin = replace(then, bundle=open_bundle(folder))
    by = difference_in_prediction(folder, now.bundle.path)
    assert by is None
    assert compare(twin, now, lambda: by)[:2] == ("equal", "model")


def test_another_prediction_is_another_model(twins: tuple[Made, Made], tmp_path: Path) -> None:
    then, now = twins
    folder = Path(shutil.copytree(then.bundle.path, tmp_path / "twin"))

    def shifted(text: str) -> str:
        first, *rows = text.splitlines()
        row = json.loads(first)
        row["prediction"]["probability"] = 1 - row["prediction"]["probability"]
        return "\n".join([json.dumps(row), *rows]) + "\n"

    _replace(folder, "golden.jsonl", shifted)
    by = difference_in_prediction(folder, now.bundle.path)
    assert by is not None
    assert "row 1" in by
    twin = replace(then, bundle=open_bundle(folder))
    assert compare(twin, now, lambda: by) == ("different", "model", by)


def _replace(folder: Path, name: str, change: Callable[[str], str]) -> None:
    """Change a file of a bundle, and what its manifest says of it."""
    from hashlib import sha256

    text = (folder / name).read_text()
    assert change(text) != text
    (folder / name).write_text(change(text))
    manifest = json.loads((folder / MANIFEST).read_text())
    manifest["files"][name]["sha256"] = sha256((folder / name).read_bytes()).hexdigest()
    (folder / MANIFEST).write_text(json.dumps(manifest))


def test_a_model_that_was_made_by_hand_is_found(project: Path) -> None:
    best = json.loads((project / "tune/best.json").read_text())
    (project / "tune/best.json").unlink()  # DVC's own copy of it is read-only
    (project / "tune/best.json").write_text(json.dumps({**best, "rounds": best["rounds"] + 2}))
    mlops_cli.train(load_project(project))
    mlops_cli.register(load_project(project))
    found = again(project, code=4)
    assert (found["verdict"], found["first_difference"]) == ("different", "model")


def test_a_version_whose_commit_is_not_here_is_told(project: Path) -> None:
    loaded = load_project(project)
    tracker = open_tracker(loaded)
    (version,) = tracker.versions()
    other = projects.copy(project, project.parent / "other")
    shutil.rmtree(other / ".git")
    subprocess.run(["git", "init", "-q"], cwd=other, check=True)
    with pytest.raises(EnvironmentFault, match="is not in this clone"):
        origin_of(replace(loaded, root=other), tracker, {}, version)
    shutil.rmtree(other / ".git")
    with pytest.raises(UsageError, match="is not in git"):
        origin_of(replace(loaded, root=other), tracker, {}, version)


@pytest.mark.slow
def test_an_environment_made_anew_makes_the_same_bytes(project: Path) -> None:
    done = subprocess.run(
        [Path(sys.executable).parent / "mlops", "reproduce", "--json"],
        cwd=project,
        capture_output=True,
        text=True,
        timeout=1500,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)["result"]
    assert (found["environment"], found["verdict"]) == ("anew", "identical")
