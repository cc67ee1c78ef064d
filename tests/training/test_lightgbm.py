"""LightGBM as an estimator: the port's contract, and what is served in its name."""

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

pytest.importorskip("lightgbm", reason="the extra lightgbm is not installed: nox -s extras")

TASKS: tuple[Task, ...] = ("binary", "multiclass", "regression")


class TestLightGBM(EstimatorConformance):
    """The port's contract."""

    @pytest.fixture(params=TASKS)
    def named(self, request: pytest.FixtureRequest) -> tuple[str, Task]:
        return "lightgbm", request.param


@pytest.mark.parametrize("task", TASKS)
def test_what_is_served_is_the_booster_to_float64(task: Task):
    fitted = opened("lightgbm", task).fit(make_part(task, 2000), {"num_leaves": 63}, 80)
    rows = make_part(task, 2000, seed=1).matrix
    content = fitted.content()
    onnx_model.check(content, rows.shape[1])
    served = onnx_model.load(content, task, 1).predict(rows)
    np.testing.assert_allclose(served, fitted.predict(rows), rtol=1e-12, atol=1e-12)


def test_a_trial_goes_on_and_ends_where_nothing_is_gained():
    trials = opened("lightgbm", "binary").trials(make_part("binary"), make_part("binary", seed=1))
    whole, steps = trials.start({}), trials.start({})
    for rounds in (3, 11, 200):
        last = steps.advance(rounds, lambda: None)
    at_once = whole.advance(200, lambda: None)
    assert last.ended
    assert at_once.ended
    assert last.rounds < last.ran < 200


def test_a_direction_is_kept():
    problem = Problem("binary", FEATURES, 2, "roc_auc", 0, {}, threads=1, monotone={"x": 1})
    model = open_estimator("lightgbm", problem).fit(make_part("binary", 1000), {}, 40)
    rows = np.tile(make_part("binary", seed=3).matrix[:40], (30, 1))
    rows[:, 0] = np.repeat(np.linspace(300, 1700, 30, dtype=np.float32), 40)
    chances = model.predict(rows).reshape(30, 40)
    assert (np.diff(chances, axis=0) >= -1e-12).all()
    assert np.ptp(chances, axis=0).max() > 0.1


def test_its_space_is_of_parameters_that_may_be_set():
    space = space_of("lightgbm", None, ())
    assert space
    opened("lightgbm", "binary").check(make_part("binary"), ends(space))


def test_a_project_is_tuned_trained_and_proven_by_it(tmp_path: Path):
    project = make(tmp_path / "p", train={"estimator": "lightgbm"})
    assert tune(project).rounds
    assert train(project).golden > 0
    assert (project.root / "model/model.onnx").exists()


def test_it_does_not_go_on_from_what_is_served():
    estimator, rows = opened("lightgbm", "binary"), make_part("binary")
    content = estimator.fit(rows, {}, 5).content()
    with pytest.raises(UsageError, match="cannot go on"):
        estimator.update((rows, rows), {}, content)


def test_what_has_no_exact_form_is_no_parameter():
    with pytest.raises(UsageError, match="linear_tree"):
        opened("lightgbm", "binary").check(make_part("binary"), [{"linear_tree": True}])
    with pytest.raises(UsageError) as told:
        opened("lightgbm", "binary").check(make_part("binary"), [{"n_estimators": 10}])
    assert "tune.rounds" in str(told.value.hint)
