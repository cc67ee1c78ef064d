"""Whatever stands in the YAML: it is understood, or refused by name; and what loads, works."""

from __future__ import annotations

import json
import random
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from fuzzed_documents import broken, dumped
from mlops_cli.config.load import load_project
from mlops_cli.config.values import resolved
from mlops_cli.contracts.conditions import conditions
from mlops_cli.contracts.model import Contract, load_contract
from mlops_cli.contracts.write import contract_yaml
from mlops_cli.errors import UsageError
from mlops_cli.pipeline.dvc_yaml import check_dvc_yaml, write_dvc_yaml
from mlops_cli.targets.kubernetes.manifests import Spec, manifests

ROOT = Path(__file__).resolve().parents[2]
VALID = (
    (ROOT / "docs/schemas/examples/mlops.yaml").read_text()
    + """
tracking: {uri: "sqlite:///mlflow.db", experiment: nightly}
package: {base: "python:{python}-slim"}
"""
)
FULL = VALID.replace(
    "deploy: {target: local, port: 8000}",
    "deploy: {target: kubernetes, host: 0.0.0.0, docker: {memory: 512m, cpus: 0.5}, kubernetes: "
    "{namespace: models, replicas: {min: 1, max: 3}, service: {type: NodePort, node_port: 30080}, "
    "resources: {limits: {cpu: 2, memory: 1Gi}}, timeout: 90s, load: 'kind load {image}'}}",
)
CONTRACT = """
columns:
  carrier: {type: text, categories: [AA, UA], nullable: true}
  flight: {type: integer, min: 1, max: 9999, unique: true}
  at: {type: timestamp, min: 2013-01-01T00:00:00, max: "2014-01-01T00:00:00Z"}
  day: {type: date, min: 2013-01-01}
  temp: {type: float, min: -40.5, max: 1e3}
  tail: {type: text, pattern: "N[0-9]+"}
unique: [[carrier, at]]
rules: [{name: in order, expr: "temp >= 0"}]
freshness: {column: at, max_age: 2d, as_of: 2014-01-02}
extra_columns: refuse
"""
CALM = settings(deadline=None, suppress_health_check=list(HealthCheck))
CHANCE = st.integers(0, 2**64).map(random.Random)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("project")


def refusal(e: UsageError) -> None:
    """A refusal is text that any terminal and any JSON can take, and short."""
    for text in (e.message, e.hint or ""):
        text.encode("utf-8")
        assert "Traceback" not in text
        assert len(text) < 3000
    assert e.message


def hold_config(folder: Path, text: str) -> bool:
    """Load it; what loads must come back from its own dump, and render everywhere."""
    path = folder / "mlops.yaml"
    path.write_bytes(text.encode("utf-8", "surrogatepass"))
    try:
        project = load_project(folder)
    except UsageError as e:
        refusal(e)
        return False
    finally:
        assert not (folder / "PLANTED").exists()
    config = project.config
    path.write_text(dumped(config.model_dump(mode="json", by_alias=True)), encoding="utf-8")
    assert load_project(folder).config == config
    (folder / "dvc.yaml").unlink(missing_ok=True)
    assert write_dvc_yaml(project)
    check_dvc_yaml(project)
    stages = yaml.safe_load((folder / "dvc.yaml").read_text(encoding="utf-8"))["stages"]
    assert config.data.table in stages["validate"]["deps"]
    json.dumps([v.value for v in resolved(project).values], allow_nan=False).encode("utf-8")
    spec = Spec(config.project, "0" * 64, "delays:1", config.deploy.kubernetes)
    assert all(yaml.safe_load(text)["kind"] for text in manifests(spec).values())
    return True


def hold_contract(folder: Path, text: str) -> bool:
    """The same of a contract, as far as the SQL that it becomes."""
    path = folder / "t.yaml"
    path.write_bytes(text.encode("utf-8", "surrogatepass"))
    try:
        contract = load_contract(path)
    except UsageError as e:
        refusal(e)
        return False
    path.write_text(contract_yaml(contract, table="t.csv"), encoding="utf-8")
    assert load_contract(path) == contract
    for condition in conditions(contract):
        condition.sql.encode("utf-8")
    return True


def hold_pipeline(folder: Path, text: str) -> None:
    """A dvc.yaml that is refused stays as it is; any other comes to hold our stages."""
    (folder / "mlops.yaml").write_text(VALID, encoding="utf-8")
    path = folder / "dvc.yaml"
    path.write_bytes(given := text.encode("utf-8", "surrogatepass"))
    project = load_project(folder)
    try:
        write_dvc_yaml(project)
    except UsageError as e:
        refusal(e)
        assert path.read_bytes() == given
    else:
        check_dvc_yaml(project)
    assert not (folder / "PLANTED").exists()


PIPELINE = """
stages:
  mine: {cmd: echo mine, deps: [a.txt], outs: [b.txt]}
  tune: {cmd: mlops stage tune --revision 1, params: [{mlops.yaml: [tune]}], outs: [tune]}
  train: {cmd: mlops stage train --revision 1, deps: [tune], outs: [model]}
plots: [reports/plots]
"""


@settings(CALM, max_examples=50)
@given(CHANCE)
def test_any_pipeline_gets_our_stages_or_is_refused(folder: Path, chance: Any) -> None:
    hold_pipeline(folder, broken(PIPELINE, chance))


@pytest.mark.parametrize("text", ["%YAML 3.0\n---\nstages: {}\n", '{"\\ud800": 1, "\\ud800": 2}\n'])
def test_a_pipeline_that_the_reader_cannot_even_name_is_refused(folder: Path, text: str) -> None:
    hold_pipeline(folder, text)


@settings(CALM, max_examples=100)
@given(CHANCE)
def test_any_configuration_is_understood_or_refused_by_name(folder: Path, chance: Any) -> None:
    hold_config(folder, broken(chance.choice([VALID, FULL]), chance))


@settings(CALM, max_examples=60)
@given(CHANCE)
def test_any_contract_is_understood_or_refused_by_name(folder: Path, chance: Any) -> None:
    hold_contract(folder, broken(CONTRACT, chance))


@pytest.mark.slow
@settings(CALM, max_examples=1_500)
@given(CHANCE)
def test_any_configuration_at_length(folder: Path, chance: Any) -> None:
    hold_config(folder, broken(chance.choice([VALID, FULL]), chance))


@pytest.mark.slow
@settings(CALM, max_examples=1_000)
@given(CHANCE)
def test_any_contract_at_length(folder: Path, chance: Any) -> None:
    hold_contract(folder, broken(CONTRACT, chance))


@settings(CALM, max_examples=60)
@given(st.text(max_size=80) | st.text("{}[]:,-&*!|>'\"#%@`? \n\tab0~<.=", max_size=60))
def test_any_text_is_refused(folder: Path, text: str) -> None:
    assert not hold_config(folder, text)
    assert not hold_contract(folder, text)


def test_the_files_that_all_begin_with_are_understood(folder: Path) -> None:
    assert hold_config(folder, VALID)
    assert hold_config(folder, FULL)
    assert hold_contract(folder, CONTRACT)
    assert isinstance(load_contract(folder / "t.yaml"), Contract)
