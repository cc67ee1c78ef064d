"""Gradient boosted trees by LightGBM, served as ONNX in float64 (docs/decisions/018)."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, NoReturn

import lightgbm
import numpy as np
import onnxruntime
from numpy.typing import NDArray

from mlops_cli.bundle.manifest import ModelKind, Task
from mlops_cli.errors import UsageError
from mlops_cli.evaluation.metrics import metric_of
from mlops_cli.training.base import PATIENCE, Check, Fit, Params, Part, Problem, Tried
from mlops_cli.training.greedy import predictions_of
from mlops_cli.training.lightgbm_text import Inexact, ensemble_of, parsed
from mlops_cli.training.mixed import Mixed, content_of, mixed
from mlops_cli.training.round_loss import round_loss
from mlops_cli.training.tree_ensemble import Ensemble
from mlops_cli.training.trees_as_onnx import check_served, refuse_update, shares

MONOTONE = True  # it can keep to a direction
WEIGHTS = True  # it can weigh rows
_EACH = 5  # beyond so many rounds only each fifth is looked at
_OBJECTIVES: dict[Task, str] = {
    "binary": "binary",
    "multiclass": "multiclass",
    "regression": "regression",
}
# What a user may set: not what follows from the task or the machine, or has no exact form.
PARAMETERS = frozenset(
    {
        "learning_rate",
        "num_leaves",
        "max_depth",
        "min_data_in_leaf",
        "min_sum_hessian_in_leaf",
        "bagging_fraction",
        "bagging_freq",
        "feature_fraction",
        "feature_fraction_bynode",
        "extra_trees",
        "lambda_l1",
        "lambda_l2",
        "min_gain_to_split",
        "max_delta_step",
        "max_bin",
        "scale_pos_weight",
        "is_unbalance",
        "path_smooth",
    }
)


def open_estimator(path: str, problem: Problem) -> LightGBM:
    """See `training.open_estimator`; `path` is empty."""
    del path
    return LightGBM(problem)


class LightGBM:
    """`Estimator`: leaf-wise trees, missing values learned, categories as numbers."""

    kind: ModelKind = "onnx"
    has_rounds = True
    step = "learning_rate"
    own_step = 0.1  # LightGBM's default
    portfolio: tuple[Params, ...] = ()

    def __init__(self, problem: Problem) -> None:
        self.problem = problem
        signs = [problem.monotone.get(feature.name, 0) for feature in problem.features]
        self.settings_of_all: dict[str, Any] = {
            "objective": _OBJECTIVES[problem.task],
            "seed": problem.seed,
            "deterministic": True,
            "force_row_wise": True,
            "num_threads": 1,  # sums that several threads make do not come out the same twice
            "verbosity": -1,
            **({"num_class": problem.classes} if problem.task == "multiclass" else {}),
            **({"monotone_constraints": signs} if problem.monotone else {}),
            **problem.fixed,
        }

    def check(self, part: Part, tries: Sequence[Params]) -> None:
        """See `Estimator.check`."""
        check_served("lightgbm", self, self.problem, part, tries, known=PARAMETERS)

    def trials(self, train: Part, validation: Part) -> LightGBMTrials:
        """See `Estimator.trials`."""
        return self.patient_trials(train, validation, PATIENCE)

    def patient_trials(self, train: Part, validation: Part, patience: int) -> LightGBMTrials:
        """See `Averaging.patient_trials`."""
        return LightGBMTrials(self, train, validation, patience)

    def fit(self, part: Part, params: Params, rounds: int | None) -> LightGBMModel:
        """See `Estimator.fit`."""
        settings = {**self.settings_of_all, **params}
        with _refusals():
            booster = lightgbm.train(settings, self.rows(part, params), rounds or 1)
        return LightGBMModel(booster, self.problem)

    def average(self, part: Part, fits: Sequence[Fit]) -> Mixed:
        """See `Averaging.average`."""
        models = [self.fit(part, {**fit.params, "seed": fit.seed}, fit.rounds) for fit in fits]
        return mixed(self.problem.task, models, [fit.weight for fit in fits])

    def update(self, parts: tuple[Part, Part], params: Params, before: bytes) -> NoReturn:
        """See `Estimator.update`: it cannot."""
        refuse_update("lightgbm")

    def modules(self) -> dict[str, str]:
        """See `Estimator.modules`."""
        return {"numpy": np.__version__, "onnxruntime": onnxruntime.__version__}

    def settings(self) -> dict[str, str]:
        """See `Estimator.settings`."""
        return {**self.modules(), "lightgbm": lightgbm.__version__}

    def rows(self, part: Part, params: Params) -> Any:
        """The part, binned by what these parameters say of bins."""
        settings = {**self.settings_of_all, **params}
        return lightgbm.Dataset(part.matrix, part.target, weight=part.weight, params=settings)


class LightGBMTrials:
    """`Trials`: each bins the rows by its own parameters."""

    def __init__(self, estimator: LightGBM, train: Part, validation: Part, patience: int) -> None:
        self.estimator = estimator
        self.train = train
        self.validation = validation
        self.patience = patience
        self.metric = metric_of(estimator.problem.task, estimator.problem.metric)

    def start(self, params: Params) -> LightGBMTrialFit:
        """See `Trials.start`."""
        return LightGBMTrialFit(self, params)


class LightGBMTrialFit:
    """`TrialFit`: a booster, its margins on the validation part, and those of its best round."""

    def __init__(self, trials: LightGBMTrials, params: Params) -> None:
        self._trials = trials
        self._params = params
        self._booster: Any = None
        self._ran = self._looked = self._best = 0
        self._loss = math.inf
        self._margins: Any = 0.0
        self._best_margins: Any = None

    def advance(self, rounds: int, check: Check) -> Tried:
        """See `TrialFit.advance`."""
        estimator, validation = self._trials.estimator, self._trials.validation
        with _refusals():
            if self._booster is None:
                settings = {**estimator.settings_of_all, **self._params}
                rows = estimator.rows(self._trials.train, self._params)
                self._booster = lightgbm.Booster(settings, rows)
            while self._ran < rounds and not self._ended():
                check()
                self._booster.update()
                self._ran += 1
                if self._ran <= _EACH or self._ran % _EACH == 0 or self._ran == rounds:
                    self._look()
        said = predictions_of(estimator.problem.task, self._best_margins)
        score = float(self._trials.metric.value(validation.target, said))
        return Tried(score, self._best, self._ran, self._ended(), lambda: said)

    def _ended(self) -> bool:
        return self._looked - self._best >= self._trials.patience

    def _look(self) -> None:
        validation = self._trials.validation
        self._margins = self._margins + self._booster.predict(
            validation.matrix,
            raw_score=True,
            start_iteration=self._looked,
            num_iteration=self._ran - self._looked,
            num_threads=1,
            verbosity=-1,  # a prediction without it turns LightGBM's own messages on again
        )
        self._looked = self._ran
        task = self._trials.estimator.problem.task
        loss = round_loss(task, validation.target, self._margins, validation.weight)
        if self._best == 0 or loss < self._loss:
            self._loss, self._best, self._best_margins = loss, self._ran, self._margins


class LightGBMModel:
    """`Fitted`: a booster."""

    def __init__(self, booster: Any, problem: Problem) -> None:
        self._booster = booster
        self._problem = problem

    def predict(self, matrix: NDArray[np.float32]) -> NDArray[np.float64]:
        """See `Fitted.predict`."""
        return np.asarray(
            self._booster.predict(matrix, num_threads=1, verbosity=-1), dtype=np.float64
        )

    def margins(self, matrix: NDArray[np.float32]) -> NDArray[np.float64]:
        """See `Grown.margins`."""
        said = self._booster.predict(matrix, raw_score=True, num_threads=1, verbosity=-1)
        return np.asarray(said, dtype=np.float64)

    def importance(self) -> dict[str, float]:
        """See `Fitted.importance`: the share of the total gain."""
        return shares(self._problem, self._booster.feature_importance("gain"))

    def content(self) -> bytes:
        """See `Fitted.content`: ONNX."""
        return content_of(self._problem.task, self.ensemble())

    def ensemble(self) -> Ensemble:
        """See `Grown.ensemble`."""
        try:
            return ensemble_of(parsed(self._booster.model_to_string()))
        except Inexact as e:
            raise UsageError(
                f"mlops.yaml: train.estimator lightgbm cannot be served: {e.why}", hint=e.hint
            ) from e


@contextmanager
def _refusals() -> Iterator[None]:
    try:
        yield
    except lightgbm.basic.LightGBMError as e:
        said = re.sub(r" at \S+\.(cpp|h(pp)?), line \d+ \.$", "", " ".join(str(e).split()))
        raise UsageError(
            f"LightGBM refuses the parameters: {said[:300]}",
            hint="see train.params and tune.space",
        ) from e
