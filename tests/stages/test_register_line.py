"""The best of the line, and gates with three answers, on models that are really trained."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from learning import make, reconfigure
from mlops_cli.actions.register import register
from mlops_cli.actions.report import report
from mlops_cli.actions.status import status
from mlops_cli.bundle.reader import open_bundle
from mlops_cli.config.load import load_project
from mlops_cli.config.project import Project
from mlops_cli.errors import GateError, InconclusiveError
from mlops_cli.governance.gates import hold_out
from mlops_cli.reports.markdown import model_report
from mlops_cli.stages.featurize import featurize
from mlops_cli.stages.train import train
from mlops_cli.stages.tune import tune
from mlops_cli.tracking import open_tracker
from mlops_cli.tracking.base import DEPRECATED

NO_GATE: dict[str, Any] = {"gates": []}
NOT_WORSE: dict[str, Any] = {"gates": [{"champion": "not_worse"}]}
BETTER: dict[str, Any] = {"gates": [{"champion": "better"}]}
POOR: dict[str, Any] = {"columns": ["k", "open"]}  # knows next to nothing


def trained(project: Project, **sections: Any) -> Project:
    changed = reconfigure(project, tune={"trials": 1, "rounds": 5}, **sections)
    for stage in (featurize, tune, train):
        stage(changed)
    return changed


@pytest.fixture(scope="module")
def walked(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Its first champion is the best, its second is far below, and a third as poor stands ready."""
    root = tmp_path_factory.mktemp("line") / "project"
    project = make(root, n=800)
    for stage in (tune, train):
        stage(project)
    register(project)
    register(trained(project, features=POOR, register=NO_GATE))
    trained(project, train={"seed": 3}, register=NOT_WORSE)
    return root


@pytest.fixture
def project(walked: Path, tmp_path: Path) -> Project:
    shutil.copytree(walked, tmp_path / "project")
    return load_project(tmp_path / "project")


def decision(project: Project) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((project.root / "decision.json").read_text())
    return found


def champions(project: Project) -> list[Any]:
    return open_tracker(project).versions()


@pytest.fixture
def scored(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The digest of each model that the gate has scored."""
    found: list[str] = []
    work: Callable[..., Any] = hold_out.open_predictor

    def counted(bundle: Any, *arguments: Any) -> Any:
        found.append(bundle.digest)
        return work(bundle, *arguments)

    monkeypatch.setattr(hold_out, "open_predictor", counted)
    return found


def test_a_model_as_poor_as_the_champion_is_held_to_the_best_of_the_line(
    project: Project, scored: list[str]
) -> None:
    best, champion = champions(project)
    with pytest.raises(GateError, match=f"the best of its line {best.version} has .* worse, by"):
        register(project)
    made = decision(project)
    assert [(c["role"], c["digest"]) for c in made["gates"][0]["compared"]] == [
        ("champion", champion.digest),
        ("best", best.digest),
    ]
    against = made["gates"][0]["compared"]
    assert against[0]["low"] < 0 < against[0]["high"]
    assert against[1]["low"] < against[1]["difference"] < against[1]["high"] < -0.1
    assert made["champion_before"] == {"digest": champion.digest, "value": against[0]["bound"]}
    assert made["detectable"] == made["gates"][0]["detectable"] > 0
    assert scored == [champion.digest, open_bundle(project.root / "model").digest, best.digest]


def test_a_champion_that_was_taken_back_is_not_the_best(
    project: Project, scored: list[str]
) -> None:
    tracker, (best, champion) = open_tracker(project), champions(project)
    tracker.tag(best, DEPRECATED, "complaints")
    assert register(project).state == "champion"
    assert [c["digest"] for c in decision(project)["gates"][0]["compared"]] == [champion.digest]
    assert len(scored) == 2, "the best of the line is the champion: nobody else is scored"


def test_a_line_begins_anew_where_no_comparison_was_wanted(project: Project) -> None:
    assert register(project, first=True).state == "champion"
    third = open_bundle(project.root / "model").digest
    again = trained(project, train={"seed": 7})
    assert register(again).state == "champion"
    assert [c["digest"] for c in decision(again)["gates"][0]["compared"]] == [third]


def test_a_best_that_is_gone_is_named_and_the_next_one_stands_for_it(project: Project) -> None:
    best, champion = champions(project)
    shutil.rmtree(project.root / ".mlops/bundles", ignore_errors=True)
    for file in list((project.root / "mlartifacts").rglob("manifest.json")):
        if open_bundle(file.parent).digest == best.digest:
            shutil.rmtree(file.parent)
    assert register(project).state == "champion"
    gate = decision(project)["gates"][0]
    assert (
        f"the former champion {best.version}, recorded as better, cannot be compared"
        in (gate["why"])
    )
    assert [(c["role"], c["digest"]) for c in gate["compared"]] == [
        ("champion", champion.digest),
        ("best", best.digest),
    ]
    assert gate["compared"][1].keys() == {"role", "digest", "why"}


def test_a_champion_that_is_gone_decides_nothing_and_says_so(project: Project) -> None:
    shutil.rmtree(project.root / ".mlops/bundles", ignore_errors=True)
    shutil.rmtree(project.root / "mlartifacts")
    with pytest.raises(InconclusiveError, match="cannot be scored on these hold-out rows"):
        register(project)
    gate = decision(project)["gates"][0]
    assert (gate["verdict"], gate["compared"][0]["role"]) == ("undecided", "champion")


def test_too_few_rows_to_tell_is_an_answer_of_its_own(project: Project) -> None:
    best, _ = champions(project)
    open_tracker(project).tag(best, DEPRECATED, "complaints")
    asked = reconfigure(project, register=BETTER)
    with pytest.raises(InconclusiveError, match="too few rows to tell whether it is better") as no:
        register(asked)
    assert no.value.exit_code == 6
    assert "a larger hold-out" in (no.value.hint or "")
    made = decision(asked)
    assert made["gates"][0]["verdict"] == "inconclusive"
    assert made["gates"][0]["gate"] == "champion: better"
    told = report(asked)
    assert told.verdict == "inconclusive"
    page = model_report(told)
    assert "the hold-out is too small to tell" in page
    assert "**inconclusive**" in page
    shown = status(asked).decision
    assert shown is not None
    assert "too few rows to tell" in shown.why[0]

    wide = reconfigure(project, register={"gates": [{"champion": "not_worse", "margin": 0.5}]})
    assert register(wide).state == "champion"
    assert "surely not worse by more than 0.5" in decision(wide)["gates"][0]["why"]
