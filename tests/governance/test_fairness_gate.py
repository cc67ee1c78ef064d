"""The gate of fairness: group and figure are named, and too little to compare decides nothing."""

from __future__ import annotations

import json

import numpy as np
import pyarrow as pa
import pytest
from pydantic import ValidationError

from learning import make, reconfigure
from mlops_cli.config.load import load_project
from mlops_cli.config.sections.register import FairnessGate
from mlops_cli.errors import GateError, InconclusiveError, UsageError
from mlops_cli.evaluation.base import Question
from mlops_cli.evaluation.fairness import fairness_of
from mlops_cli.evaluation.groups import groups_of
from mlops_cli.evaluation.judged import Judged
from mlops_cli.governance.gates.fairness import hold
from mlops_cli.stages.register import register
from mlops_cli.stages.train import train
from mlops_cli.stages.tune import tune

IMPACT = FairnessGate(fairness="disparate_impact", min=0.8)


def found(selected, sizes=(100, 100)):
    """Fairness of two groups of which so many rows are selected; half of the rows are positive."""
    p = np.concatenate(
        [np.repeat([0.9, 0.1], [k, n - k]) for k, n in zip(selected, sizes, strict=True)]
    )
    y = np.tile([1.0, 0.0], sum(sizes) // 2)
    names = pa.chunked_array([np.repeat(["a", "b"], sizes)])
    judged = Judged(Question("binary", "roc_auc", 2), (False, True), y, p)
    return fairness_of(judged, {"sex": groups_of(names)})


def test_the_bound_itself_passes_and_below_it_group_and_figure_are_named():
    assert hold(IMPACT, found((50, 40))).verdict == "passed"
    said = hold(IMPACT, found((50, 30)))
    assert (said.verdict, said.value, said.bound) == ("refused", 0.6, 0.8)
    assert "of sex the group b is selected in 30.0% of its rows and a in 50.0%" in said.why


@pytest.mark.parametrize(
    "kind",
    ["demographic_parity_difference", "equal_opportunity_difference", "equalized_odds_difference"],
)
def test_a_difference_has_a_most(kind):
    gate = FairnessGate(fairness=kind, max=0.1)
    assert hold(gate, found((50, 46))).verdict == "passed"
    said = hold(gate, found((50, 20)))
    assert said.verdict == "refused"
    assert said.value == pytest.approx(0.3)
    assert "of b is 20.0% and of a 50.0%" in said.why


def test_what_is_too_small_is_not_decided():
    said = hold(IMPACT, found((50, 4), (100, 10)))
    assert (said.verdict, said.value) == ("undecided", None)
    assert "sex" in said.why
    assert hold(IMPACT, {}).verdict == "undecided"
    asked = FairnessGate(fairness="disparate_impact", min=0.8, column="age")
    assert "no groups of age (it has: sex)" in hold(asked, found((50, 50))).why


@pytest.mark.parametrize(
    "section",
    [
        {"fairness": "disparate_impact"},
        {"fairness": "disparate_impact", "max": 0.2},
        {"fairness": "equalized_odds_difference", "min": 0.2},
        {"fairness": "disparate_impact", "min": 1.2},
        {"fairness": "luck", "min": 0.8},
    ],
)
def test_a_gate_has_its_own_bound(section):
    with pytest.raises(ValidationError):
        FairnessGate.model_validate(section)


@pytest.mark.parametrize(
    ("sections", "said"),
    [
        ({}, "data.sensitive names no column"),
        ({"column": "k"}, "'k' is not in data.sensitive"),
        ({"min": 0.8, "mix": 1}, "unknown key `register.gates.0.mix`"),
    ],
)
def test_a_gate_on_groups_that_are_not_there(tmp_path, sections, said):
    sensitive = {"sensitive": ["kind"]} if sections else {}
    gate = {"fairness": "disparate_impact", "min": 0.8, **sections}
    config = {
        "project": "p",
        "task": "binary",
        "data": {"table": "t.csv", "target": "y", **sensitive},
        "register": {"gates": [gate]},
    }
    (tmp_path / "mlops.yaml").write_text(json.dumps(config))
    with pytest.raises(UsageError, match=said.replace(".", r"\.")):
        load_project(tmp_path)


def test_a_model_is_refused_by_name_and_figure(tmp_path):
    """`b` of `kind` is selected far more often than `c`: as the data are made."""
    data = {"table": "data/raw/events.parquet", "target": "target", "time": "at"}
    gate = {"fairness": "disparate_impact", "min": 0.8}
    project = make(
        tmp_path / "p",
        n=1000,
        data={**data, "sensitive": ["kind"]},
        register={"gates": [gate]},
    )
    tune(project)
    train(project)
    with pytest.raises(GateError, match=r"of kind the group c is selected in .* and b in "):
        register(project)
    (said,) = json.loads((project.root / "decision.json").read_text())["gates"]
    assert (said["verdict"], said["bound"]) == ("refused", 0.8)
    assert said["value"] < 0.8
    lenient = reconfigure(project, register={"gates": [{**gate, "min": 0.05}]})
    assert register(lenient).passed
    (project.root / "reports/evaluation.json").unlink()
    with pytest.raises(InconclusiveError, match="evaluation"):
        register(project)
