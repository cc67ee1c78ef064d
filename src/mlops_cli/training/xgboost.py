"""Gradient boosted trees by XGBoost's native interface."""

from __future__ import annotations

import difflib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np
import xgboost
from numpy.typing import NDArray

from mlops_cli.bundle.manifest import ModelKind, Task
from mlops_cli.cores import cores
from mlops_cli.errors import UsageError
from mlops_cli.evaluation.metrics import Metric, metric_of
from mlops_cli.training.base import PATIENCE, Params, Part, Problem, Report, Tried

Matrix = NDArray[np.float32]
_OBJECTIVES: dict[Task, str] = {
    "binary": "binary:logistic",
    "multiclass": "multi:softprob",
    "regression": "reg:squarederror",
}
# Metrics that XGBoost computes itself, from margins that it keeps.
NATIVE: dict[tuple[Task, str], str] = {
    ("binary", "roc_auc"): "auc",
    ("binary", "log_loss"): "logloss",
    ("multiclass", "log_loss"): "mlogloss",
    ("regression", "rmse"): "rmse",
    ("regression", "mae"): "mae",
}
# What a user may set; all else either follows from the task or changes how, not what, is computed.
PARAMETERS = frozenset(
    {
        "eta",
        "gamma",
        "max_depth",
        "min_child_weight",
        "max_delta_step",
        "subsample",
        "sampling_method",
        "colsample_bytree",
        "colsample_bylevel",
        "colsample_bynode",
        "lambda",
        "alpha",
        "grow_policy",
        "max_leaves",
        "max_bin",
        "num_parallel_tree",
        "monotone_constraints",
        "interaction_constraints",
        "scale_pos_weight",
        "base_score",
    }
)


def open_estimator(path: str, problem: Problem) -> XGBoost:
    """See `training.open_estimator`; `path` is empty."""
    del path
    return XGBoost(problem)


class XGBoost:
    """`Estimator`: histogram trees, missing values learned, categories as numbers."""

    kind: ModelKind = "xgboost"
    has_rounds = True

    def __init__(self, problem: Problem) -> None:
        self._problem = problem
        self._metric = metric_of(problem.task, problem.metric)
        self._base: dict[str, Any] = {
            "objective": _OBJECTIVES[problem.task],
            "tree_method": "hist",
            "seed": problem.seed,
            "nthread": problem.threads or cores(),
            "verbosity": 0,
            **({"num_class": problem.classes} if problem.task == "multiclass" else {}),
            **problem.fixed,
        }

    def check(self, part: Part, tries: Sequence[Params]) -> None:
        """See `Estimator.check`: what XGBoost fits it can save, so only parameters can be wrong."""
        for name in [*self._problem.fixed, *(name for params in tries for name in params)]:
            _check_name(name)
        few = Part(part.matrix[:300], part.target[:300])
        with _refusals():
            xgboost.train(self._base, self._matrix(few), 1)

    def trials(self, train: Part, validation: Part) -> XGBoostTrials:
        """See `Estimator.trials`."""
        first = self._matrix(train)
        second = self._matrix(validation, ref=first)
        return XGBoostTrials(self._base, (self._problem.task, self._metric), first, second)

    def fit(self, part: Part, params: Params, rounds: int | None) -> XGBoostModel:
        """See `Estimator.fit`."""
        with _refusals():
            booster = xgboost.train(
                {**self._base, **params}, self._matrix(part), num_boost_round=rounds or 1
            )
        return XGBoostModel(booster, [f.name for f in self._problem.features])

    def modules(self) -> dict[str, str]:
        """See `Estimator.modules`."""
        return {"numpy": np.__version__, "xgboost": xgboost.__version__}

    def settings(self) -> dict[str, str]:
        """See `Estimator.settings`."""
        return {**self.modules(), "threads": str(self._base["nthread"])}

    def _matrix(self, part: Part, ref: Any = None) -> Any:
        # Categories go in as numbers: docs/decisions/004-categories-as-numbers.md.
        return xgboost.QuantileDMatrix(part.matrix, label=part.target, ref=ref)


class XGBoostTrials:
    """`Trials` on two matrices that are binned once."""

    def __init__(
        self, base: dict[str, Any], judge: tuple[Task, Metric], train: Any, validation: Any
    ) -> None:
        self._base = base
        self._task, self._metric = judge
        self._native = NATIVE.get((self._task, self._metric.name))
        self._train = train
        self._validation = validation

    def run(self, params: Params, rounds: int, report: Report) -> Tried:
        """See `Trials.run`."""
        watch = _Watch(report, maximize=self._metric.greater_is_better)
        settings = {**self._base, **params}
        settings |= (
            {"eval_metric": self._native} if self._native else {"disable_default_eval_metric": 1}
        )
        with _refusals():
            booster = xgboost.train(
                settings,
                self._train,
                num_boost_round=rounds,
                evals=[(self._validation, "validation")],
                custom_metric=None if self._native else self._own,
                callbacks=[watch],
                verbose_eval=False,
            )
        best = watch.best
        return Tried(
            score=watch.score,
            rounds=best,
            ran=watch.ran,
            stopped=watch.stopped,
            predict=lambda: _predictions(
                booster.predict(self._validation, iteration_range=(0, best))
            ),
        )

    def _own(self, predictions: NDArray[np.float32], matrix: Any) -> tuple[str, float]:
        target = np.asarray(matrix.get_label(), dtype=np.float64)
        return self._metric.name, self._metric.value(target, _predictions(predictions))


class _Watch(xgboost.callback.TrainingCallback):
    """Keeps the best round, and ends a fit that gains no more or that `report` gives up."""

    def __init__(self, report: Report, *, maximize: bool) -> None:
        super().__init__()
        self._report = report
        self._sign = 1.0 if maximize else -1.0
        self.score = float("nan")
        self.best = 0
        self.ran = 0
        self.stopped = False

    def after_iteration(self, model: Any, epoch: int, evals_log: Any) -> bool:
        """Called by XGBoost after each round; true ends the fit."""
        del model
        (history,) = evals_log["validation"].values()
        score = float(history[-1])
        self.ran = epoch + 1
        if self.best == 0 or self._sign * (score - self.score) > 0:
            self.score, self.best = score, self.ran
        self.stopped = self._report(self.ran, score)
        return self.stopped or self.ran - self.best >= PATIENCE


class XGBoostModel:
    """`Fitted`: a booster."""

    def __init__(self, booster: Any, names: list[str]) -> None:
        self._booster = booster
        self._names = names

    def predict(self, matrix: Matrix) -> NDArray[np.float64]:
        """See `Fitted.predict`."""
        return _predictions(self._booster.predict(xgboost.DMatrix(matrix)))

    def importance(self) -> dict[str, float]:
        """See `Fitted.importance`: the share of the total gain."""
        gain = self._booster.get_score(importance_type="total_gain")
        total = sum(gain.values())
        shares = {name: gain.get(f"f{i}", 0.0) for i, name in enumerate(self._names)}
        return {name: value / total if total else 0.0 for name, value in shares.items()}

    def content(self) -> bytes:
        """See `Fitted.content`: UBJSON."""
        return bytes(self._booster.save_raw("ubj"))


def _predictions(raw: Any) -> NDArray[np.float64]:
    return np.asarray(raw, dtype=np.float64)


def _check_name(name: str) -> None:
    if name in PARAMETERS:
        return
    near = difflib.get_close_matches(name, PARAMETERS, n=1, cutoff=0.5)
    if name in ("num_boost_round", "n_estimators"):
        near = ["tune.rounds"]
    hint = f"did you mean {near[0]!r}?" if near else f"known: {', '.join(sorted(PARAMETERS))}"
    raise UsageError(f"mlops.yaml: {name!r} is no parameter of xgboost that may be set", hint=hint)


@contextmanager
def _refusals() -> Iterator[None]:
    try:
        yield
    except xgboost.core.XGBoostError as e:
        said = " ".join(str(e).split("Stack trace")[0].split())[-300:]
        raise UsageError(
            f"XGBoost refuses the parameters: {said}", hint="see train.params and tune.space"
        ) from e
