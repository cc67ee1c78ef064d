"""CatBoost as an estimator: the port's contract, and what is served in its name without it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from learning import make
from mlops_cli.bundle.manifest import Task
from mlops_cli.errors import UsageError
from mlops_cli.serving import onnx_model
from mlops_cli.stages.train import train
from mlops_cli.stages.tune import tune
from mlops_cli.testing.estimator import FEATURES, EstimatorConformance, make_part, opened
from mlops_cli.training import open_estimator
from mlops_cli.training.base import Problem
from mlops_cli.tuning.spaces import ends, space_of

pytest.importorskip("catboost", reason="the extra catboost is not installed: nox -s extras")

TASKS: tuple[Task, ...] = ("binary", "multiclass", "regression")


class TestCatBoost(EstimatorConformance):
    """The port's contract."""

    @pytest.fixture(params=TASKS)
    def named(self, request: pytest.FixtureRequest) -> tuple[str, Task]:
        return "catboost", request.param


@pytest.mark.parametrize("task", TASKS)
@pytest.mark.parametrize("missing", ["Min", "Max"])
def test_what_is_served_is_the_model_to_float64(task: Task, missing: str):
    fitted = opened("catboost", task, nan_mode=missing).fit(make_part(task, 2000), {"depth": 7}, 60)
    rows = make_part(task, 2000, seed=1).matrix
    content = fitted.content()
    onnx_model.check(content, rows.shape[1])
    served = onnx_model.load(content, task, 1).predict(rows)
    np.testing.assert_allclose(served, fitted.predict(rows), rtol=1e-12, atol=1e-12)


def test_a_missing_value_that_was_never_seen_goes_as_catboost_sends_it():
    whole = make_part("binary", 1500)
    known = np.nan_to_num(whole.matrix, nan=500)
    part = type(whole)(known, whole.target)
    fitted = opened("catboost", "binary").fit(part, {}, 40)
    served = onnx_model.load(fitted.content(), "binary", 1).predict(whole.matrix)
    np.testing.assert_allclose(served, fitted.predict(whole.matrix), rtol=1e-12, atol=1e-12)


def test_a_border_itself_and_its_neighbours_go_the_same_way():
    fitted = opened("catboost", "binary").fit(make_part("binary", 2000), {}, 40)
    borders = {t for tree, _ in fitted.ensemble().trees for t in tree.threshold}
    at = np.array(sorted(borders), dtype=np.float32)
    with np.errstate(over="ignore"):  # the border below which a missing value stands
        near = np.concatenate([at, np.nextafter(at, -np.inf), np.nextafter(at, np.inf)])
    near = near[np.isfinite(near)]
    rows = np.repeat(near[:, None], len(FEATURES), axis=1)
    served = onnx_model.load(fitted.content(), "binary", 1).predict(rows)
    np.testing.assert_allclose(served, fitted.predict(rows), rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("task", TASKS)
def test_the_first_trees_of_a_long_fit_are_those_of_a_short_one(task: Task):
    trials = opened("catboost", task).trials(make_part(task), make_part(task, seed=1))
    params = {"depth": 3, "rsm": 0.6, "random_strength": 2.0}
    whole, steps = trials.start(params), trials.start(params)
    for rounds in (5, 10, 250):
        last = steps.advance(rounds, lambda: None)
    at_once = whole.advance(250, lambda: None)
    assert last.ended
    assert (last.score, last.rounds, last.ran) == (at_once.score, at_once.rounds, at_once.ran)
    assert last.rounds < last.ran < 250


def test_a_search_that_is_given_up_ends_the_fit():
    class Over(Exception):
        pass

    def over() -> None:
        raise Over

    trials = opened("catboost", "binary").trials(make_part("binary"), make_part("binary", seed=1))
    with pytest.raises(Over):
        trials.start({}).advance(10_000, over)


def test_a_direction_is_kept():
    problem = Problem("binary", FEATURES, 2, "roc_auc", 0, {}, threads=1, monotone={"x": 1})
    model = open_estimator("catboost", problem).fit(make_part("binary", 1000), {}, 40)
    rows = np.tile(make_part("binary", seed=3).matrix[:40], (30, 1))
    rows[:, 0] = np.repeat(np.linspace(300, 1700, 30, dtype=np.float32), 40)
    chances = model.predict(rows).reshape(30, 40)
    assert (np.diff(chances, axis=0) >= -1e-12).all()
    assert np.ptp(chances, axis=0).max() > 0.1


def test_its_space_is_of_parameters_that_may_be_set():
    space = space_of("catboost", None, ())
    assert space
    opened("catboost", "binary").check(make_part("binary"), ends(space))


def test_what_has_no_exact_form_is_no_parameter():
    with pytest.raises(UsageError, match="'grow_policy' is no parameter of catboost"):
        opened("catboost", "binary", grow_policy="Lossguide").check(make_part("binary"), [{}])


def test_a_project_is_tuned_trained_and_proven_by_it(tmp_path: Path):
    project = make(tmp_path / "p", train={"estimator": "catboost"})
    assert tune(project).rounds
    assert train(project).golden > 0
    assert (project.root / "model/model.onnx").exists()
    assert "catboost" not in (project.root / "model/requirements.txt").read_text()
