"""The stage package: a model that passed its gates gets a build context, no other does."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

import bundles
from mlops_cli.bundle.reader import open_bundle
from mlops_cli.config.load import check_config
from mlops_cli.config.project import Project
from mlops_cli.errors import BundleError, GateError, UsageError
from mlops_cli.stages.package import PackageResult, package

CONFIG = {
    "project": "delays",
    "task": "binary",
    "data": {"table": "data/raw/x.parquet", "target": "late"},
    "package": {"base": "python:{python}-alpine"},
}


@pytest.fixture
def project(tmp_path: Path) -> Project:
    bundles.write(tmp_path / "model")
    return Project(tmp_path, check_config(CONFIG, file="mlops.yaml"))


def decide(project: Project, digest: str, *, passed: bool) -> None:
    decision = {"digest": digest, "passed": passed, "gates": []}
    (project.root / "decision.json").write_bytes(msgspec.json.encode(decision))


def test_a_model_that_passed_is_packaged(project: Project) -> None:
    digest = open_bundle(project.root / "model").digest
    decide(project, digest, passed=True)
    assert package(project) == PackageResult("image", digest, digest[:12])
    assert open_bundle(project.root / "image/model/opt/mlops/model").digest == digest
    assert "-alpine\n" in (project.root / "image/Dockerfile").read_text()


def test_a_refused_model_is_not(project: Project) -> None:
    decide(project, open_bundle(project.root / "model").digest, passed=False)
    with pytest.raises(GateError, match="refused"):
        package(project)
    assert not (project.root / "image").exists()


def test_a_refused_experiment_goes_on_without_a_build_context(project: Project) -> None:
    digest = open_bundle(project.root / "model").digest
    decide(project, digest, passed=True)
    package(project, experiment=True)
    assert (project.root / "image/Dockerfile").exists()
    decide(project, digest, passed=False)
    package(project, experiment=True)
    (note,) = (project.root / "image").iterdir()
    assert f"{digest[:12]} was refused by its gates" in note.read_text()


@pytest.mark.parametrize("content", [None, "{", '{"digest": "abc", "passed": true}'])
def test_a_decision_that_is_not_of_this_model_is_named(
    project: Project, content: str | None
) -> None:
    if content is not None:
        (project.root / "decision.json").write_text(content)
    with pytest.raises(UsageError, match=r"decision\.json"):
        package(project)


def test_a_tampered_model_is_not_packaged(project: Project) -> None:
    decide(project, open_bundle(project.root / "model").digest, passed=True)
    (project.root / "model/profile.json").write_text("{ }")
    with pytest.raises(BundleError, match=r"profile\.json"):
        package(project)
    assert not (project.root / "image").exists()
