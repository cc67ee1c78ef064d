"""Our numbers are those of the packages that others go by, each in an environment of its own."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
import xgboost

from mlops_cli.evaluation.base import Question
from mlops_cli.evaluation.fairness import fairness_of
from mlops_cli.evaluation.groups import groups_of
from mlops_cli.evaluation.judged import Judged
from mlops_cli.serving.xgboost_library import Booster
from mlops_cli.serving.xgboost_model import XGBoostModel

FOLDER = os.environ.get("MLOPS_CLIENTS", "")  # environments, each named by its package

FAIRLEARN = """
import json, sys
import fairlearn.metrics as m
y, said, group = json.load(sys.stdin)
rates = {"selection_rate": m.selection_rate, "true_positive_rate": m.true_positive_rate,
         "false_positive_rate": m.false_positive_rate, "rows": m.count}
frame = m.MetricFrame(metrics=rates, y_true=y, y_pred=said, sensitive_features=group)
whole = {name: getattr(m, name)(y, said, sensitive_features=group)
         for name in ("demographic_parity_ratio", "demographic_parity_difference",
                      "equalized_odds_difference", "equal_opportunity_difference")}
print(json.dumps([frame.by_group.to_dict("index"), whole]))
"""
SHAP = """
import json, sys
import numpy as np, shap, xgboost
booster = xgboost.Booster(model_file=sys.argv[1])
rows = np.load(sys.argv[2])
explainer = shap.TreeExplainer(booster, feature_perturbation="tree_path_dependent")
told = explainer.shap_values(rows)
pairs = explainer.shap_interaction_values(rows[:20]) if told.ndim == 2 else np.zeros(0)
base = np.ravel(explainer.expected_value)
np.savez(sys.argv[3], told=told, pairs=pairs, base=base)
"""


def _python(package: str) -> str:
    python = Path(FOLDER) / package / "bin/python"
    if not FOLDER or not python.is_file():
        pytest.skip(f"no environment with {package}: nox -s clients makes them")
    return str(python)


def _run(package: str, code: str, *arguments: str, given: str = "") -> str:
    command = [_python(package), "-c", code, *arguments]
    done = subprocess.run(command, input=given, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-3000:]
    return done.stdout


@pytest.mark.extras
@pytest.mark.parametrize("threshold", [0.5, 0.3])
def test_rates_and_gaps_of_groups_are_fairlearns(threshold: float) -> None:
    random = np.random.default_rng(4)
    group = random.choice(["north", "south", "east", "west"], 3000, p=[0.4, 0.3, 0.2, 0.1])
    p = random.beta(2, 3, 3000) * np.where(group == "east", 0.8, 1.0)
    y = (random.random(3000) < p).astype(float)
    judged = Judged(Question("binary", "roc_auc", 2), (False, True), y, p, threshold)
    ours = fairness_of(judged, {"place": groups_of(pa.chunked_array([group]))})["place"]
    given = json.dumps([y.tolist(), (p >= threshold).astype(int).tolist(), group.tolist()])
    rates, whole = json.loads(_run("fairlearn", FAIRLEARN, given=given))
    assert ours.groups.keys() == rates.keys()
    for name, theirs in rates.items():
        found = {rate: getattr(ours.groups[name], rate) for rate in theirs}
        assert found == pytest.approx(theirs, abs=1e-12), name
    assert ours.disparate_impact is not None
    assert whole == pytest.approx(
        {
            "demographic_parity_ratio": ours.disparate_impact.value,
            "demographic_parity_difference": ours.demographic_parity_difference,
            "equalized_odds_difference": ours.equalized_odds_difference,
            "equal_opportunity_difference": ours.equal_opportunity_difference,
        },
        abs=1e-12,
    )


OBJECTIVES: dict[str, dict[str, Any]] = {
    "binary": {"objective": "binary:logistic"},
    "multiclass": {"objective": "multi:softprob", "num_class": 3},
    "regression": {"objective": "reg:squarederror"},
}


@pytest.mark.extras
@pytest.mark.parametrize("task", OBJECTIVES)
def test_contributions_and_interactions_are_shaps(tmp_path: Path, task: str) -> None:
    random = np.random.default_rng(5)
    rows = random.normal(0, 1, (900, 6)).astype(np.float32)
    rows[random.random(rows.shape) < 0.1] = np.nan
    score = np.nan_to_num(rows[:, 0]) * np.nan_to_num(rows[:, 1]) + np.nan_to_num(rows[:, 2])
    y = {"binary": score > 0, "multiclass": np.digitize(score, [-0.5, 0.5]), "regression": score}
    booster = xgboost.train(
        {"max_depth": 4, "nthread": 1, **OBJECTIVES[task]}, xgboost.DMatrix(rows, y[task]), 20
    )
    file, rows = tmp_path / "model.ubj", rows[:80]
    booster.save_model(file)
    np.save(tmp_path / "rows.npy", rows)
    _run("shap", SHAP, str(file), str(tmp_path / "rows.npy"), str(tmp_path / "told.npz"))
    theirs, model = np.load(tmp_path / "told.npz"), XGBoostModel(Booster(file.read_bytes(), 1))
    parts, margins = model.contributions(rows)
    told = theirs["told"].reshape(parts.shape)  # (n, f, k)
    np.testing.assert_allclose(parts, told, atol=1e-5)
    bases = (margins - parts.sum(axis=1)).mean(axis=0)
    np.testing.assert_allclose(bases, theirs["base"], atol=1e-4)
    pairs = model.interactions(rows[:20])
    assert (pairs is None) == (task == "multiclass")
    if pairs is not None:
        np.testing.assert_allclose(pairs, theirs["pairs"], atol=1e-5)
