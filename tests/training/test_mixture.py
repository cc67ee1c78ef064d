"""Averages over libraries: which is taken, and that what is served is the average."""

from __future__ import annotations

import json
from pathlib import Path

import msgspec
import numpy as np
import pytest

from learning import make, reconfigure
from mlops_cli.bundle.manifest import Task
from mlops_cli.bundling.fit import estimator_of, fitted_of
from mlops_cli.errors import UsageError
from mlops_cli.serving import onnx_model
from mlops_cli.stages.train import train
from mlops_cli.stages.tune import tune
from mlops_cli.testing.estimator import FEATURES, MAIN, make_part
from mlops_cli.training.base import Problem
from mlops_cli.training.choice import Unseen, chosen
from mlops_cli.tuning.base import Best, Member

pytest.importorskip("lightgbm", reason="the extra lightgbm is not installed: nox -s extras")

CLASSES = {"binary": 2, "multiclass": 3, "regression": 0}


def best_of(*members: Member) -> Best:
    counts = dict.fromkeys(("rounds_run", "rounds_saved", "rounds_spared_early"))
    return Best("", 0.0, {}, 1, 0, 1, 0, 0, validation={}, members=[*members], **counts)


@pytest.mark.parametrize("task", CLASSES)
def test_an_average_over_libraries_is_served_as_one_file_of_trees(task: Task):
    problem = Problem(task, FEATURES, CLASSES[task], MAIN[task], 0, {}, threads=1)
    best = best_of(
        Member("xgboost", {"max_depth": 4}, 20, 0, 0.5),
        Member("xgboost", {"max_depth": 2, "subsample": 0.5}, 10, 1, 0.2),
        Member("lightgbm", {"num_leaves": 20}, 15, 0, 0.3),
    )
    estimator = estimator_of("auto", problem, best)
    part, rows = make_part(task, 1000), make_part(task, 1000, seed=1).matrix
    fitted = fitted_of(estimator, part, best)
    content = fitted.content()
    onnx_model.check(content, rows.shape[1])
    served = onnx_model.load(content, task, 1).predict(rows)
    np.testing.assert_allclose(served, fitted.predict(rows), rtol=2e-6, atol=1e-6)
    assert fitted_of(estimator_of("auto", problem, best), part, best).content() == content
    assert sum(fitted.importance().values()) == pytest.approx(1)
    # It is the average of what each says by itself.
    alone = [best_of(msgspec.structs.replace(one, weight=1.0)) for one in best.members]
    each = [fitted_of(estimator_of("auto", problem, a), part, a).margins(rows) for a in alone]
    mean = np.sum([m.weight * said for m, said in zip(best.members, each, strict=True)], axis=0)
    np.testing.assert_allclose(fitted.margins(rows), mean, rtol=1e-5, atol=1e-5)


def test_members_of_one_library_are_served_as_that_is():
    problem = Problem("binary", FEATURES, 2, "roc_auc", 0, {}, threads=1)
    one = best_of(Member("xgboost", {}, 5, 0, 1.0))
    assert estimator_of("auto", problem, one).kind == "xgboost"


def unseen(noise: tuple[float, ...], *, n: int = 2000, shared: float = 0.0) -> Unseen:
    """What models say whose errors have a part in common, and one of their own."""
    rng = np.random.default_rng(5)
    truth, common = rng.normal(size=n), rng.normal(0, shared, n)
    margins = [truth + common + rng.normal(0, each, n) for each in noise]
    costs = np.full(len(noise), 10.0)
    return Unseen("regression", truth, margins, np.arange(n) % 5, costs, 100)


def test_an_average_over_libraries_is_taken_where_it_is_surely_better():
    weights = chosen(unseen((0.5, 0.5)), ["xgboost", "lightgbm"])
    assert weights.min() > 0.3


@pytest.mark.parametrize(
    ("said", "named"),
    [
        (unseen((0.01, 0.011), shared=0.5), "either"),  # nothing to gain by averaging
        (unseen((0.3, 3.0)), "the first"),
        (unseen((0.5, 0.55), n=12), "either"),  # nobody can tell
    ],
)
def test_else_the_best_by_itself_is(said: Unseen, named: str):
    weights = chosen(said, ["xgboost", "lightgbm"])
    assert sorted(weights) == [0.0, 1.0]
    assert named == "either" or weights[0] == 1.0


def test_rows_without_weight_have_no_say():
    said = unseen((0.5, 0.5))
    rows = np.where(np.arange(2000) < 12, 1.0, 0.0)
    few = Unseen(said.task, said.target, said.margins, said.folds, said.costs, said.most, rows)
    assert sorted(chosen(few, ["xgboost", "lightgbm"])) == [0.0, 1.0]


@pytest.fixture(scope="module")
def auto(tmp_path_factory: pytest.TempPathFactory):
    """A project of `auto`, tuned and trained; large enough for folds."""
    root = tmp_path_factory.mktemp("auto") / "p"
    asked = {"estimator": "auto", "calibrate": "sigmoid"}
    return make(root, n=1500, train=asked, tune={"trials": 2, "rounds": 15})


def test_auto_is_tuned_trained_and_proven_and_the_same_again(auto):
    tune(auto)
    found = {f.name: f.read_bytes() for f in (auto.root / "tune").iterdir()}
    first = train(auto)
    assert first.golden > 0
    best = json.loads(found["best.json"])
    assert {m["estimator"] for m in best["members"]} <= {"xgboost", "lightgbm", "catboost"}
    assert sum(m["rounds"] for m in best["members"]) <= 1.5 * 15 + 1
    lines = found["trials.csv"].decode().splitlines()
    assert {"xgboost", "lightgbm"} <= {word for line in lines for word in line.split(",")}
    tune(auto)  # by the journals
    assert {f.name: f.read_bytes() for f in (auto.root / "tune").iterdir()} == found
    assert train(auto).digest == first.digest


def test_without_a_finish_auto_is_the_best_of_the_searches(auto):
    project = reconfigure(auto, tune={"trials": 2, "rounds": 15, "finish": False})
    result = tune(project)
    (member,) = json.loads((project.root / "tune/best.json").read_bytes())["members"]
    assert member["estimator"] == result.params["estimator"]
    assert train(project).golden > 0


@pytest.mark.parametrize(
    ("sections", "told"),
    [
        ({"train": {"estimator": "auto", "params": {"eta": 0.1}}}, "params are of one estimator"),
        ({"train": {"estimator": "auto", "update": "0" * 12}}, "update goes on from one"),
        (
            {"train": {"estimator": "auto"}, "tune": {"space": {"eta": {"choice": [0.1]}}}},
            "tune.space is of one estimator's search",
        ),
    ],
)
def test_what_is_of_one_estimator_does_not_go_with_auto(auto, tmp_path: Path, sections, told: str):
    file = auto.root / "mlops.yaml"
    before = file.read_text()
    try:
        with pytest.raises(UsageError, match=told):
            reconfigure(auto, **sections)
    finally:
        file.write_text(before)
