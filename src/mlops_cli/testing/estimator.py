"""What every estimator must do, asked on 300 rows with a category and missing values."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from mlops_cli.bundle.manifest import Feature, Task
from mlops_cli.errors import UsageError
from mlops_cli.evaluation.metrics import METRICS
from mlops_cli.serving import onnx_model, xgboost_model
from mlops_cli.training import open_estimator
from mlops_cli.training.base import Estimator, Part, Problem

FEATURES = (
    Feature("x", "numeric"),
    Feature("kind", "category", ("a", "b", "c")),
    Feature("k", "numeric"),
    Feature("empty", "numeric"),
)
MAIN: dict[Task, str] = {"binary": "roc_auc", "multiclass": "log_loss", "regression": "rmse"}
_CLASSES: dict[Task, int] = {"binary": 2, "multiclass": 3, "regression": 0}
_RUNTIMES: dict[str, Any] = {"xgboost": xgboost_model, "onnx": onnx_model}


def make_part(task: Task, n: int = 300, seed: int = 0) -> Part:
    """Rows of `FEATURES` whose target follows from `x` and `kind`; a tenth is missing."""
    rng = np.random.default_rng(seed)
    matrix = np.empty((n, 4), dtype=np.float32)
    matrix[:, 0] = rng.normal(1000, 200, n)
    matrix[:, 1] = rng.integers(0, 3, n)
    matrix[:, 2] = rng.integers(0, 50, n)
    z = (matrix[:, 0] - 1000) / 200 + (matrix[:, 1] == 2) + rng.normal(0, 1, n)
    matrix[rng.random((n, 4)) < 0.1] = np.nan
    matrix[:, 3] = np.nan
    targets = {"binary": z > 0, "multiclass": np.digitize(z, [-0.5, 1]), "regression": 50 * z}
    return Part(matrix, targets[task].astype(np.float64))


def opened(
    name: str, task: Task, metric: str | None = None, **fixed: bool | int | float | str
) -> Estimator:
    """The estimator of that name in `mlops.yaml`, for these features and one thread."""
    problem = Problem(task, FEATURES, _CLASSES[task], metric or MAIN[task], 0, fixed, threads=1)
    return open_estimator(name, problem)


class EstimatorConformance:
    """Inherit it, with a fixture `named`: an estimator's name as in `mlops.yaml`, and a task."""

    def test_what_is_served_is_what_was_fitted(self, named: tuple[str, Task]) -> None:
        name, task = named
        estimator, fit_on, other = opened(name, task), make_part(task), make_part(task, seed=1)
        estimator.check(fit_on, [{}])
        fitted = estimator.fit(fit_on, {}, 5 if estimator.has_rounds else None)
        wanted = fitted.predict(other.matrix)
        assert wanted.dtype == np.float64
        assert wanted.shape == ((300, 3) if task == "multiclass" else (300,))
        runtime, content = _RUNTIMES[estimator.kind], fitted.content()
        runtime.check(content, other.matrix.shape[1])
        served = runtime.load(content, task, 1).predict(other.matrix)
        np.testing.assert_allclose(served, wanted, rtol=1e-5, atol=1e-6)

    def test_the_same_fit_gives_the_same_bytes(self, named: tuple[str, Task]) -> None:
        name, task = named
        estimators = [opened(name, task) for _ in range(2)]
        rounds = 5 if estimators[0].has_rounds else None
        assert len({e.fit(make_part(task), {}, rounds).content() for e in estimators}) == 1

    def test_importance_is_a_share_of_each_feature(self, named: tuple[str, Task]) -> None:
        name, task = named
        estimator = opened(name, task)
        fitted = estimator.fit(make_part(task), {}, 5 if estimator.has_rounds else None)
        shares = fitted.importance()
        assert list(shares) == [feature.name for feature in FEATURES]
        assert sum(shares.values()) == pytest.approx(1)

    def test_a_trial_is_scored_by_the_metric_and_is_the_fit(self, named: tuple[str, Task]) -> None:
        name, task = named
        train, validation = make_part(task), make_part(task, seed=1)
        estimator = opened(name, task)
        tried = estimator.trials(train, validation).start({}).advance(5, lambda: None)
        score = METRICS[task][MAIN[task]].value(validation.target, tried.predict())
        assert score == pytest.approx(tried.score, rel=1e-5)
        assert (tried.rounds is None) == (not estimator.has_rounds)
        again = estimator.fit(train, {}, tried.rounds).predict(validation.matrix)
        np.testing.assert_allclose(again, tried.predict(), rtol=1e-4, atol=1e-6)

    def test_a_parameter_that_nobody_knows_is_refused(self, named: tuple[str, Task]) -> None:
        name, task = named
        with pytest.raises(UsageError, match="no_such_parameter"):
            opened(name, task).check(make_part(task), [{"no_such_parameter": 1}])
