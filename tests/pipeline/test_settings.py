"""What DVC takes for one value, and a model does not: 1, 1.0 and true."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest

import projects
from command_line import Mlops
from mlops_cli.config.load import check_config, load_project
from mlops_cli.pipeline.state import stage_states
from mlops_cli.stages import stage
from mlops_cli.stages.settings import settings, typed
from trips import git

BASE: dict[str, Any] = {"project": "p", "task": "binary", "data": {"table": "t.csv", "target": "y"}}


def text_of(section: str, value: Any) -> str:
    return typed(check_config(BASE | {section: value}, file="mlops.yaml"), [section])


@pytest.mark.parametrize(
    ("one", "other"),
    [(1, 1.0), (1, True), (0.0, False), (0.0, -0.0), (1, "1"), ("true", True), ("1e3", 1e3)],
)
def test_values_that_are_equal_to_python_alone(one: object, other: object) -> None:
    fixed, searched = (
        [text_of("train", {"params": {"max_features": value}}) for value in (one, other)],
        [text_of("tune", {"space": {"x": {"choice": [value, 7]}}}) for value in (one, other)],
    )
    assert len({*fixed}) == len({*searched}) == 2


def test_what_stands_for_the_same_is_the_same_text() -> None:
    assert text_of("tune", {"timeout": "60m", "trials": 3}) == text_of(
        "tune", {"trials": 3, "timeout": "1h"}
    )
    assert text_of("features", {"row": {"a": "x", "b": "y"}}) != text_of(
        "features", {"row": {"b": "y", "a": "x"}}
    ), "the features' order is the user's"


@pytest.mark.slow
def test_a_change_of_type_is_a_change(tmp_path: Path, mlops: Mlops) -> None:
    project = projects.copy(projects.finished("parcels"), tmp_path / "p")
    _edit(project, "train: {}", "train: {params: {lambda: 1}}")
    assert _ran(mlops(project, "run", "train", "--json", code=0)) == ["tune", "train"]
    _edit(project, "drift: {}", "drift: {}  # a word")
    assert _ran(mlops(project, "run", "train", "--json", code=0)) == []
    _edit(project, "lambda: 1}", "lambda: 1.0}")
    states = stage_states(load_project(project))
    assert (states["featurize"], states["tune"]) == ("up to date", "changed settings: mlops.yaml")
    assert _ran(mlops(project, "run", "train", "--json", code=0)) == ["tune", "train"]
    _edit(project, "drift: {}", "drift: {every: 1d}")
    assert "up to date" in _dvc(project, "status", "train"), "no stage depends on `drift`"
    _commit(project)
    said = _dvc(project, "exp", "run", "-S", "mlops.yaml:train.params.lambda=1.5")
    assert "Running stage 'train'" in said


@pytest.mark.slow
def test_a_forced_run_does_all_of_it_again_and_the_same_comes_out(
    tmp_path: Path, mlops: Mlops
) -> None:
    project = projects.copy(projects.finished("parcels"), tmp_path / "p")
    before = projects.registered(project)
    assert _ran(mlops(project, "run", "--force", "featurize", "--json", code=0)) == [
        "validate",
        "featurize",
    ]
    forced = mlops(project, "run", "--force", "--json", code=0).result
    assert {one["state"] for one in forced["stages"]} == {"ran"}
    tuned = next(one for one in forced["stages"] if one["name"] == "tune")
    assert tuned["result"]["resumed"] == 0, "the trials of the earlier search were taken over"
    assert forced["registration"]["state"] == "champion"
    assert projects.registered(project) == before
    assert _ran(mlops(project, "run", "--json", code=0)) == []


def _ran(done: Any) -> list[str]:
    return [one["name"] for one in done.result["stages"] if one["state"] == "ran"]


def _dvc(project: Path, *arguments: str) -> str:
    done = subprocess.run(["dvc", *arguments], cwd=project, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.mark.slow
def test_an_experiment_of_another_table(tmp_path: Path, mlops: Mlops) -> None:
    """`-S` of what decides the form of `dvc.yaml`, which DVC has read by then."""
    project = projects.copy(projects.finished("parcels"), tmp_path / "p")
    _commit(project)
    lines = (project / "data/raw/parcels.csv").read_text().splitlines(keepends=True)
    (project / "data/raw/others.csv").write_text("".join(lines[:500]))
    said = _dvc(project, "exp", "run", "-S", "mlops.yaml:data.table=data/raw/others.csv", "train")
    assert "Running stage 'train'" in said
    assert "data/raw/others.csv" in (project / "dvc.yaml").read_text()
    assert "# " in (project / "mlops.yaml").read_text(), "comments stay"
    report = json.loads((project / "reports/validate.json").read_text())
    assert [table["rows"] for table in report["tables"]] == [499]
    (project / "data/raw/others.csv").write_text("".join(lines[:400]))
    git(project, "checkout", "--quiet", "--", ".")
    _dvc(project, "exp", "run", "-S", "mlops.yaml:data.table=data/raw/others.csv", "train")
    report = json.loads((project / "reports/validate.json").read_text())
    assert [table["rows"] for table in report["tables"]] == [399], "not what DVC remembered"


@pytest.mark.slow
def test_an_experiment_that_is_refused_is_kept_and_the_main_line_refuses(
    tmp_path: Path, mlops: Mlops
) -> None:
    project = projects.copy(projects.finished("parcels"), tmp_path / "p")
    _commit(project)
    before, log = projects.registered(project), (project / "governance/audit.jsonl").read_text()
    weak = ("-S", "mlops.yaml:++tune.rounds=1", "-S", "mlops.yaml:++tune.trials=1")
    _dvc(project, "exp", "run", "--name", "weak", *weak)
    decided = json.loads((project / "decision.json").read_text())
    assert decided["passed"] is False
    assert [file.name for file in (project / "image").iterdir()] == ["REFUSED"]
    assert "weak" in _dvc(project, "exp", "list", "--name-only")
    assert "\nweak," in _dvc(project, "exp", "show", "--csv")
    refused = mlops(project, "package", code=4)
    assert "is refused, the champion stays" in refused.err
    assert projects.registered(project) == before
    new = (project / "governance/audit.jsonl").read_text().removeprefix(log)
    assert json.loads(new)["outcome"] == "refused"


def _commit(project: Path) -> None:
    git(project, "config", "user.name", "a")
    git(project, "config", "user.email", "a@example.com")
    git(project, "add", "--all")
    git(project, "commit", "--quiet", "--message", "a run")


def _edit(project: Path, old: str, new: str) -> None:
    config = project / "mlops.yaml"
    assert old in config.read_text()
    config.write_text(config.read_text().replace(old, new, 1))


def test_each_stage_depends_on_its_own(tmp_path: Path) -> None:
    written = (projects.started("parcels") / "mlops.yaml").read_text()
    (tmp_path / "mlops.yaml").write_text(written)
    files = settings(load_project(tmp_path)).files
    assert stage("train").settings in files
    assert '"tune"' not in (tmp_path / stage("train").settings).read_text()
