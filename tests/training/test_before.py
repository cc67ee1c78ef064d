"""A fit goes on from another model: what it adds, and what it may not do."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import xgboost
from sklearn.metrics import log_loss

import projects
from command_line import Mlops
from mlops_cli.bundle.manifest import Feature, Task
from mlops_cli.config.document import read_yaml, set_value
from mlops_cli.errors import UsageError
from mlops_cli.testing.estimator import make_part, opened
from mlops_cli.training import open_estimator
from mlops_cli.training.base import Estimator, Part, Problem, Value


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
def test_the_first_trees_are_those_of_the_model_before(task: Task) -> None:
    estimator, params = opened("xgboost", task), {"max_depth": 2}
    old = estimator.fit(make_part(task), params, 3).content()
    fitted, added = estimator.update((make_part(task), make_part(task)), params, old)
    trees = [
        xgboost.Booster(model_file=bytearray(m)).get_dump(with_stats=True)
        for m in (old, fitted.content())
    ]
    assert added > 0
    assert trees[1][: len(trees[0])] == trees[0]


def incremental(path: str, **fixed: Value) -> Estimator:
    features = (Feature("a", "numeric"), Feature("b", "numeric"))
    problem = Problem("binary", features, 2, "roc_auc", 0, fixed, threads=1)
    return open_estimator(f"sklearn:{path}", problem)


@pytest.mark.parametrize(
    ("path", "fixed"),
    [
        ("linear_model.SGDClassifier", {"loss": "log_loss"}),
        ("neural_network.MLPClassifier", {"hidden_layer_sizes": 8, "max_iter": 60}),
    ],
)
def test_an_estimator_of_scikit_learn_goes_on_from_what_is_served(
    path: str, fixed: dict[str, Value]
) -> None:
    estimator = incremental(path, **fixed)
    old = estimator.fit(shifted(3000, 1, 0.0), {}, None)
    parts = shifted(2000, 2, 2.0), shifted(1000, 3, 2.0)
    fitted, added = estimator.update(parts, {}, old.content())
    assert added > 0
    fresh = shifted(3000, 4, 2.0)
    before, after = (log_loss(fresh.target, m.predict(fresh.matrix)) for m in (old, fitted))
    assert after < 0.9 * before
    again, _ = estimator.update(parts, {}, old.content())
    assert again.content() == fitted.content()
    further, _ = estimator.update(parts, {}, fitted.content())  # nor is the second time the last
    assert log_loss(fresh.target, further.predict(fresh.matrix)) < 0.9 * before


@pytest.mark.parametrize("task", ["binary", "multiclass", "regression"])
def test_where_no_pass_gains_the_model_is_the_one_before(task: Task) -> None:
    """With categories and missing values, whose preparation has to come back as it was, too."""
    path = "linear_model.SGDRegressor" if task == "regression" else "linear_model.SGDClassifier"
    fixed = {} if task == "regression" else {"loss": "log_loss"}
    estimator = opened(f"sklearn:{path}", task, **fixed)
    part = make_part(task)
    old = estimator.fit(part, {}, None)
    worse = Part(part.matrix, np.roll(part.target, 7)[::-1].copy())  # as a validation: no rule
    still = {"learning_rate": "constant", "eta0": 1e-12}
    fitted, _ = estimator.update((worse, part), still, old.content())
    np.testing.assert_allclose(fitted.predict(part.matrix), old.predict(part.matrix), rtol=1e-6)


@pytest.mark.parametrize(
    ("path", "fixed", "why"),
    [
        ("linear_model.LogisticRegression", {}, "cannot go on"),
        ("naive_bayes.GaussianNB", {}, "cannot go on"),  # it would count old rows twice
        ("linear_model.SGDClassifier", {"loss": "log_loss", "average": True}, "cannot go on"),
        ("linear_model.SGDClassifier", {"loss": "log_loss"}, "holds nothing"),
    ],
)
def test_what_cannot_go_on_names_what_can(path: str, fixed: dict[str, Value], why: str) -> None:
    parts = shifted(400, 1, 0.0), shifted(400, 2, 0.0)
    before = incremental("linear_model.LogisticRegression").fit(parts[0], {}, None).content()
    with pytest.raises(UsageError, match=why) as e:
        incremental(path, **fixed).update(parts, {}, before)
    assert "train.update" in str(e.value.hint)


def test_the_champion_is_gone_on_from_and_judged_as_any_model(tmp_path: Path, mlops: Mlops) -> None:
    project = projects.copy(projects.finished("parcels"), tmp_path / "p")
    champion = mlops(project, "status", "--json").result["champion"]["version"]
    done = mlops(project, "train", "--update", "--json")
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
    told = mlops(project, "train", "--json", code=2).result["message"]
    assert "depot has the category 'X'" in told


def test_a_version_that_nobody_has_is_refused(tmp_path: Path, mlops: Mlops) -> None:
    project = projects.copy(projects.finished("people"), tmp_path / "p")
    set_value(project / "mlops.yaml", "train", "update", "ab" * 6)
    told = mlops(project, "train", "--json", code=2).result["message"]
    assert "does not have" in told
