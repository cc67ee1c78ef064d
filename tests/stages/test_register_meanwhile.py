"""Two clones with one registry: another model becomes the champion while `register` compares."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from learning import make, reconfigure
from mlops_cli.actions.register import register
from mlops_cli.bundle.reader import open_bundle
from mlops_cli.config.load import load_project
from mlops_cli.config.project import Project
from mlops_cli.errors import EnvironmentFault, GateError
from mlops_cli.governance import registration as at_work
from mlops_cli.governance.decision import read_decision
from mlops_cli.governance.gates import champion as gate
from mlops_cli.governance.result import Wish
from mlops_cli.stages.featurize import featurize
from mlops_cli.stages.train import train
from mlops_cli.stages.tune import tune
from mlops_cli.tracking import open_tracker
from mlops_cli.tracking.base import AliasMoved
from mlops_cli.tracking.mlflow import MlflowTracker


@dataclass(frozen=True)
class Clone:
    """A clone of the project, and the digest of the model that was trained in it."""

    project: Project
    digest: str

    def tracker(self) -> Any:
        return open_tracker(self.project)

    def champion(self) -> str:
        return str(self.tracker().alias("champion").digest)

    def versions(self) -> list[str]:
        return [version.digest for version in self.tracker().versions()]


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two clones: `better` is as it was made, `worse` has too little to learn from."""
    folder = tmp_path_factory.mktemp("clones")
    better = make(folder / "better", n=600)
    shutil.copytree(better.root, folder / "worse")
    worse = reconfigure(
        load_project(folder / "worse"),
        tune={"trials": 1, "rounds": 1},
        features={"columns": ["k", "open"]},
    )
    for project, stages in ((better, (tune, train)), (worse, (featurize, tune, train))):
        for stage in stages:
            stage(project)
    return folder


@pytest.fixture
def clones(trained: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[Clone, Clone]:
    """The worse and the better one, with one registry, which is empty."""
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{tmp_path}/registry.db")
    roots = [Path(shutil.copytree(trained / name, tmp_path / name)) for name in ("worse", "better")]
    worse, better = (Clone(load_project(r), open_bundle(r / "model").digest) for r in roots)
    return worse, better


@pytest.mark.parametrize(
    ("module", "step", "registered"),
    [(gate, "no_champion_yet", 1), (at_work, "register_version", 2)],
)
def test_a_champion_of_meanwhile_is_the_one_to_compare_with(
    clones: tuple[Clone, Clone],
    monkeypatch: pytest.MonkeyPatch,
    module: Any,
    step: str,
    registered: int,
) -> None:
    worse, better = clones
    work = getattr(module, step)

    def beside_another(*arguments: Any, **options: Any) -> object:
        monkeypatch.setattr(module, step, work)
        done = work(*arguments, **options)
        register(better.project)
        return done

    monkeypatch.setattr(module, step, beside_another)
    with pytest.raises(GateError, match="worse, by more than chance explains"):
        register(worse.project)
    assert worse.champion() == better.champion() == better.digest
    decision = read_decision(worse.project.root)
    assert decision is not None
    assert decision.champion_before is not None
    assert (decision.passed, decision.champion_before.digest) == (False, better.digest)
    assert worse.versions() == [worse.digest, better.digest][-registered:]


def test_a_champion_that_never_stays_ends_it(
    clones: tuple[Clone, Clone], monkeypatch: pytest.MonkeyPatch
) -> None:
    worse, better = clones
    register(better.project)

    def too_late(*_: Any, **__: Any) -> None:
        raise AliasMoved("somebody else was quicker")

    monkeypatch.setattr(MlflowTracker, "set_alias", too_late)
    with pytest.raises(EnvironmentFault, match=r"became the champion at .* 5 times") as said:
        register(worse.project, first=True)
    assert said.value.exit_code == 8
    assert worse.champion() == better.digest


def test_a_decision_that_refuses_registers_nothing_whatever_dvc_holds_for_done(
    clones: tuple[Clone, Clone],
) -> None:
    worse, better = clones
    register(better.project)
    with pytest.raises(GateError):
        register(worse.project)
    assert at_work.enter(worse.project, Wish(asked=True)) is None, "it is to be judged again"
    assert worse.champion() == better.digest
    assert worse.versions() == [better.digest]
