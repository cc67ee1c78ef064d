"""A fit goes on from another model: what it adds, and what it may not do."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import xgboost
from sklearn.metrics import log_loss

import projects
from command_line import mlops_process
from mlops_cli.bundle.manifest import Feature
from mlops_cli.config.document import read_yaml, set_value
from mlops_cli.errors import UsageError
from mlops_cli.testing.estimator import make_part, opened
from mlops_cli.training import open_estimator
from mlops_cli.training.base import Part, Problem


def rounds_of(content: bytes) -> int:
    return xgboost.Booster(model_file=bytearray(content)).num_boosted_rounds()


def shifted(n: int, seed: int, by: float) -> Part:
    rng = np.random.default_rng(seed)
    x = rng.normal(0, 1, (n, 2))
    target = rng.random(n) < 1 / (1 + np.exp(-2 * x[:, 0] - by * x[:, 1]))
    return Part(x.astype(np.float32), target.astype(np.float64))


def test_boosting_goes_on_and_learns_what_is_new() -> None:
    features = (Feature("a", "numeric"), Feature("b", "numeric"))
    estimator = open_estimator(
        "xgboost", Problem("binary", features, 2, "roc_auc", 0, {}, threads=1)
    )
    params = {"max_depth": 3, "eta": 0.3}
    old = estimator.fit(shifted(3000, 1, 0.0), params, 15)
    parts = shifted(2000, 2, 2.0), shifted(1000, 3, 2.0)
    fitted, added = estimator.update(parts, params, old.content())
    assert added > 0
    assert rounds_of(fitted.content()) == 15 + added
    fresh = shifted(3000, 4, 2.0)
    before, after = (log_loss(fresh.target, m.predict(fresh.matrix)) for m in (old, fitted))
    assert after < 0.9 * before
    again, _ = estimator.update(parts, params, old.content())
    assert again.content() == fitted.content()


@pytest.mark.parametrize("task", ["binary", "multiclass", "regression"])
def test_the_first_trees_are_those_of_the_model_before(task) -> None:
    estimator, params = opened("xgboost", task), {"max_depth": 2}
    old = estimator.fit(make_part(task), params, 3).content()
    fitted, added = estimator.update((make_part(task), make_part(task)), params, old)
    trees = [
        xgboost.Booster(model_file=bytearray(m)).get_dump(with_stats=True)
        for m in (old, fitted.content())
    ]
    assert added > 0
    assert trees[1][: len(trees[0])] == trees[0]


def test_an_estimator_that_cannot_go_on_says_so() -> None:
    estimator = opened("sklearn:linear_model.LogisticRegression", "binary")
    with pytest.raises(UsageError, match="cannot go on"):
        estimator.update((make_part("binary"), make_part("binary")), {}, b"")


def test_the_champion_is_gone_on_from_and_judged_as_any_model(tmp_path: Path) -> None:
    project = projects.copy(projects.finished("parcels"), tmp_path / "p")
    champion = mlops_process(project, "status", "--json").result["champion"]["version"]
    done = mlops_process(project, "train", "--update", "--json")
    assert done.code in (0, 6), done.said
    assert f"update: {champion}" in (project / "mlops.yaml").read_text()
    if done.code == 0:
        model = (project / "model/model.ubj").read_bytes()
        best = json.loads((project / "tune/best.json").read_text())
        assert rounds_of(model) > best["rounds"]
    table = project / "data/raw/parcels.csv"
    lines = table.read_text().splitlines()
    lines[5] = lines[5].replace(",N,", ",X,").replace(",S,", ",X,").replace(",W,", ",X,")
    table.write_text("\n".join(lines) + "\n")
    contract = project / "contracts/parcels.yaml"
    content = read_yaml(contract)
    content["columns"]["depot"]["categories"].append("X")  # the contract takes it, the model not
    contract.write_text(json.dumps(content, default=str))
    told = mlops_process(project, "train", "--json", code=2).result["message"]
    assert "depot has the category 'X'" in told


def test_a_version_that_nobody_has_is_refused(tmp_path: Path) -> None:
    project = projects.copy(projects.finished("people"), tmp_path / "p")
    set_value(project / "mlops.yaml", "train", "update", "ab" * 6)
    told = mlops_process(project, "train", "--json", code=2).result["message"]
    assert "does not have" in told
