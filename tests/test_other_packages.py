"""An estimator, a target and a gate of another package, used by name in `mlops.yaml`."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import projects
from command_line import mlops_process
from mlops_cli._adapters import load_named
from mlops_cli.config.load import check_config
from mlops_cli.config.project import Project
from mlops_cli.errors import EnvironmentFault, MlopsError, UsageError
from mlops_cli.governance.gates import open_gate
from mlops_cli.targets import TARGETS, open_target
from mlops_cli.testing.estimator import EstimatorConformance

ESTIMATOR = """
from mlops_cli.training import sklearn
def open_estimator(rest, problem):
    return sklearn.open_estimator({"binary": "linear_model.LogisticRegression"}.get(
        problem.task, "linear_model.Ridge"), problem)
"""
TARGET = """
class Paper:
    def __init__(self, project, port):
        self.project, self.port = project, port
    def status(self):
        return None
def open_target(project, *, port=None):
    return Paper(project.config.project, port)
"""
GATE = """
from mlops_cli.governance.decision import GateResult
class Small:
    def __init__(self, most):
        self.most = most
    def evaluate(self, case):
        return GateResult("small", "passed", f"at most {self.most}")
def open_gate(asked):
    return Small(asked.options["most"])
"""
POINTS = """
[mlops_cli.estimators]
plain = theirs.estimator
empty = theirs
broken = theirs.nowhere
[mlops_cli.targets]
paper = theirs.target
[mlops_cli.gates]
small = theirs.gate
"""


def install(site: Path, package: str, points: str) -> None:
    """What pip leaves behind of a distribution that has these entry points."""
    folder = site / f"{package}-1.0.dist-info"
    folder.mkdir()
    (folder / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {package}\nVersion: 1.0\n")
    (folder / "entry_points.txt").write_text(points)


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder of installed packages with `theirs` in it."""
    site = tmp_path / "site"
    (site / "theirs").mkdir(parents=True)
    for name, text in {
        "__init__": "", "estimator": ESTIMATOR, "target": TARGET, "gate": GATE,
    }.items():  # fmt: skip
        (site / "theirs" / f"{name}.py").write_text(text)
    install(site, "theirs", POINTS)
    monkeypatch.syspath_prepend(site)
    yield site
    for name in [n for n in sys.modules if n.partition(".")[0] == "theirs"]:
        del sys.modules[name]


def project(**sections: object) -> Project:
    data = {"table": "data.csv", "target": "y"}
    raw = {"project": "small", "task": "binary", "data": data, **sections}
    return Project(Path("/nowhere"), check_config(raw, file="mlops.yaml"))


class TestTheirEstimator(EstimatorConformance):
    """Shipped for whoever writes one."""

    @pytest.fixture(params=[("plain", "binary"), ("plain:anything", "regression")])
    def named(self, request: pytest.FixtureRequest, site: Path) -> object:
        assert project(train={"estimator": request.param[0]}).config.train.estimator
        return request.param


def test_a_target_is_found_by_its_name(site: Path) -> None:
    found = project(deploy={"target": "paper"})
    target = open_target(found.config.deploy.target, found, port=7)
    assert vars(target) == {"project": "small", "port": 7}


def test_a_gate_is_asked_with_its_options(site: Path) -> None:
    gates = [{"champion": "not_worse"}, {"gate": "small", "options": {"most": 3}}]
    _, small = project(register={"gates": gates}).config.register_.gates
    assert open_gate(small).evaluate(None).why == "at most 3"  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("sections", "said"),
    [
        ({"train": {"estimator": "xgbost"}}, "train.estimator.*did you mean xgboost"),
        ({"train": {"estimator": "plan"}}, "train.estimator.*no installed package brings it"),
        ({"train": {"estimator": "xgboost:x"}}, "train.estimator.*sklearn:module.Class"),
        ({"deploy": {"target": "dcoker"}}, "deploy.target.*did you mean docker"),
        ({"register": {"gates": [{"gate": "tiny"}]}}, "gates.0.gate.*no installed package"),
    ],
)
def test_a_name_that_nobody_brings_is_refused_when_the_file_is_read(
    site: Path, sections: dict[str, object], said: str
) -> None:
    with pytest.raises(UsageError, match=said):
        project(**sections)


@pytest.mark.parametrize(
    ("name", "error", "said"),
    [
        ("broken", EnvironmentFault, "'broken' of theirs cannot be loaded: ModuleNotFoundError"),
        ("empty", EnvironmentFault, "leads to theirs, which is no module with .* open_estimator"),
        ("nothing", UsageError, "there is no estimator 'nothing'"),
        ("plain", UsageError, "others, theirs each bring the estimator 'plain'"),
    ],
)
def test_what_is_wrong_with_another_package_is_told(
    site: Path, name: str, error: type[MlopsError], said: str
) -> None:
    install(site, "others", "[mlops_cli.estimators]\nplain = others.estimator\n")
    with pytest.raises(error, match=said) as e:
        load_named("estimator", name, {"xgboost": ""})
    assert e.value.hint


def test_what_is_ours_is_not_looked_up(monkeypatch: pytest.MonkeyPatch) -> None:
    def looked_up(**_: object) -> None:
        raise AssertionError("entry points were read")

    monkeypatch.setattr("mlops_cli._adapters.entry_points", looked_up)
    found = project(train={"estimator": "sklearn:linear_model.Ridge"})
    assert open_target("local", found) is not None
    assert set(TARGETS) == {"local", "docker", "kubernetes"}


@pytest.mark.slow  # a whole run
def test_a_project_runs_with_what_another_package_brings(
    site: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = projects.copy(projects.started("parcels"), tmp_path / "parcels")
    config = root / "mlops.yaml"
    config.write_text(
        config.read_text()
        .replace("train: {}", "train: {estimator: plain}")
        .replace("register: {}", "register: {gates: [{gate: small, options: {most: 3}}]}")
        .replace("deploy: {}", "deploy: {target: paper}")
    )
    monkeypatch.setenv("PYTHONPATH", str(site))
    mlops_process(root, "run", code=0)
    assert mlops_process(root, "status", "--json", code=0).result["deployments"] == []
    decision = json.loads((root / "decision.json").read_text())
    assert [gate["why"] for gate in decision["gates"]] == ["at most 3"]
    assert (root / "model/model.onnx").is_file()
