"""`report` on a small project that is really trained, registered and committed."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest

from learning import make, reconfigure
from mlops_cli.actions.register import register
from mlops_cli.actions.report import report
from mlops_cli.bundle.reader import open_bundle
from mlops_cli.config.load import load_project
from mlops_cli.config.project import Project
from mlops_cli.errors import BundleError, UsageError
from mlops_cli.governance.decision import Decision
from mlops_cli.reports.model import ReportResult
from mlops_cli.stages.featurize import featurize
from mlops_cli.stages.train import train
from mlops_cli.stages.tune import tune
from mlops_cli.stages.validate import validate
from mlops_cli.tracking import open_tracker

FEATURES = {"columns": ["x", "k", "kind", "open"], "row": {"dow": "dayofweek(at)"}}
POOR = {"columns": ["k", "open"]}


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project whose model is the champion, committed."""
    project = make(tmp_path_factory.mktemp("report") / "small", n=600)
    for stage in (tune, train, register):
        stage(project)
    git(project.root, "init", "--quiet", "--initial-branch", "main")
    git(project.root, "add", "metrics.json", "decision.json", "mlops.yaml")
    git(project.root, "commit", "--quiet", "-m", "a run")
    return project.root


@pytest.fixture
def project(finished: Path, tmp_path: Path) -> Project:
    return load_project(shutil.copytree(finished, tmp_path / "small"))


def git(folder: Path, *command: str) -> str:
    who = ("-c", "user.name=a", "-c", "user.email=a@example.com")
    done = subprocess.run(["git", *who, *command], cwd=folder, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def reported(project: Project, **options: Any) -> ReportResult:
    return report(project, **options)


def another_model(project: Project) -> Project:
    """The same rows, and a model that has too little to learn from."""
    other = reconfigure(project, tune={"trials": 1, "rounds": 1}, features=POOR)
    for stage in (featurize, tune, train):
        stage(other)
    return other


def test_of_the_champion_the_decision_is_told_by_which_it_became_it(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    def never(_: Project) -> Decision:
        raise AssertionError("the gates are not asked again")

    monkeypatch.setattr("mlops_cli.actions.report.decide", never)
    result = report(project, against="main")
    assert (result.verdict, result.recorded, result.reason) == ("passed", True, None)
    assert result.champion == result.version
    assert [g.why for g in result.gates] == ["no champion yet"]
    assert result.drift is None
    assert result.positive == "true"
    assert result.uncommitted == ()
    assert result.commit == git(project.root, "rev-parse", "main")
    assert {m.change for m in result.metrics} == {0.0}


def test_another_model_is_held_to_the_gates_and_nothing_changes(project: Project) -> None:
    decided = (project.root / "decision.json").read_bytes()
    result = reported(another_model(project), against="HEAD")
    assert (result.verdict, result.recorded) == ("refused", False)
    assert "worse, by more than chance explains" in result.gates[0].why
    assert result.champion not in (None, result.version)
    main = next(m for m in result.metrics if m.name == result.metric)
    assert main.value is not None
    assert main.low is not None
    assert main.low < main.value < (main.high or 0)
    assert main.value_before is not None
    assert main.value_before > main.value
    assert main.change == main.value - main.value_before
    assert result.uncommitted == ("metrics.json",)
    assert (project.root / "decision.json").read_bytes() == decided
    tracker = open_tracker(project)
    assert len(tracker.versions()) == 1


def test_where_another_has_become_the_champion_the_gates_are_asked_again(project: Project) -> None:
    kept = shutil.copytree(project.root, project.root.parent / "kept")
    another_model(project)
    tracker = open_tracker(project)
    other = tracker.register(open_bundle(project.root / "model"))
    tracker.set_alias("champion", other, expected=tracker.alias("champion"))
    for name in ("model", "data"):
        shutil.rmtree(project.root / name)
        (kept / name).rename(project.root / name)
    for name in ("mlops.yaml", "metrics.json"):
        (kept / name).rename(project.root / name)
    result = reported(project)
    assert (result.verdict, result.recorded, result.champion) == ("passed", False, other.version)
    assert other.version in result.gates[0].why


def test_rows_like_the_champions_have_not_drifted_and_others_have(project: Project) -> None:
    quiet = reported(another_model(project)).drift
    assert quiet is not None
    assert (quiet.columns, quiet.rows, quiet.rows_before) == ((), 480, 480)
    assert set(quiet.absent) == {"x", "kind"}
    file = project.root / "data/raw/events.parquet"
    table = pq.read_table(file)
    pq.write_table(table.filter(pc.greater(table["x"], 8)), file)
    same = reconfigure(project, features=FEATURES, tune={"trials": 1, "rounds": 1})
    for stage in (validate, featurize, tune, train):
        stage(same)
    moved = reported(same).drift
    assert moved is not None
    assert [c.name for c in moved.columns] == ["x"]
    assert moved.columns[0].value >= moved.columns[0].threshold
    assert moved.rows < moved.rows_before == 480


def test_where_the_registry_is_lost_the_bundle_of_the_champion_stands_for_it(
    project: Project,
) -> None:
    (project.root / "mlflow.db").unlink()
    shutil.rmtree(project.cache)
    kept = reported(project)
    assert (kept.verdict, kept.reason) == ("passed", None)
    shutil.rmtree(project.cache)
    other = reported(another_model(project))
    assert (other.verdict, other.recorded, other.gates) == ("undecided", False, ())
    assert other.drift is None
    assert "has no champion, but" in (other.reason or "")


@pytest.mark.parametrize(("lost", "code"), [(False, 4), (True, 8)], ids=["refused", "no registry"])
def test_the_exit_code_is_the_verdict(project: Project, lost: bool, code: int) -> None:
    another_model(project)
    if lost:
        (project.root / "mlflow.db").unlink()
        shutil.rmtree(project.cache)
    command = [sys.executable, "-m", "mlops_cli", "report", "--project", str(project.root)]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == code
    assert done.stdout.startswith("## small: `")
    said = json.loads(subprocess.run([*command, "--json"], capture_output=True, text=True).stdout)
    assert said["result"]["verdict"] == ("undecided" if lost else "refused")


def test_a_revision_may_be_unknown_an_option_or_without_metrics(
    project: Project, tmp_path: Path
) -> None:
    for name in ("nope", "--all", "main:metrics.json"):
        with pytest.raises(UsageError, match="git knows no revision"):
            report(project, against=name)
    git(project.root, "rm", "--quiet", "--cached", "metrics.json")
    git(project.root, "commit", "--quiet", "-m", "without")
    bare = report(project, against="HEAD")
    assert {m.value_before for m in bare.metrics} == {None}
    (project.root / ".git").rename(tmp_path / "elsewhere")
    assert report(project).uncommitted == ()
    with pytest.raises(UsageError, match="git knows no revision"):
        report(project, against="HEAD")


def test_without_a_model_there_is_nothing_to_report(project: Project) -> None:
    shutil.rmtree(project.root / "model")
    with pytest.raises(UsageError, match="nothing is trained: there is no model/") as caught:
        report(project)
    assert caught.value.hint == "mlops run"
    (project.root / "model").mkdir()
    with pytest.raises(BundleError):
        report(project)
