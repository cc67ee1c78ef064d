"""Gradient boosted trees by XGBoost's native interface."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
import xgboost
from numpy.typing import NDArray

from mlops_cli.bundle.manifest import ModelKind, Task
from mlops_cli.cores import cores
from mlops_cli.errors import UsageError
from mlops_cli.evaluation.metrics import Metric, metric_of
from mlops_cli.training.bag import averaged
from mlops_cli.training.base import PATIENCE, Check, Fit, Fitted, Params, Part, Problem, Tried
from mlops_cli.training.parameters import check_names
from mlops_cli.training.parts import together
from mlops_cli.training.portfolio import PORTFOLIO
from mlops_cli.training.round_loss import round_loss
from mlops_cli.training.tree_ensemble import Ensemble
from mlops_cli.training.xgboost_trees import ensemble_of

MONOTONE = True  # it can keep to a direction
WEIGHTS = True  # it can weigh rows
_BINS = 256  # XGBoost's own default
Matrix = NDArray[np.float32]
_OBJECTIVES: dict[Task, str] = {
    "binary": "binary:logistic",
    "multiclass": "multi:softprob",
    "regression": "reg:squarederror",
}
_MOST_ADDED = 1000  # rounds that an update may add
_EACH = 5  # beyond so many rounds only each fifth is looked at
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
    step = "eta"
    own_step = 0.3  # XGBoost's default
    portfolio = PORTFOLIO

    def __init__(self, problem: Problem) -> None:
        self._problem = problem
        self._metric = metric_of(problem.task, problem.metric)
        self._base: dict[str, Any] = {
            "objective": _OBJECTIVES[problem.task],
            "tree_method": "hist",
            "seed": problem.seed,
            # XGBoost draws rows and columns from one stream a thread, and trials that take turns
            # would each get what the others leave: so every round begins a stream of its own.
            "seed_per_iteration": True,
            "nthread": problem.threads or cores(),
            "verbosity": 0,
            **({"num_class": problem.classes} if problem.task == "multiclass" else {}),
            **_directions(problem),
            **problem.fixed,
            **({} if problem.quantile is None else _of_quantile(problem.quantile)),
        }

    def check(self, part: Part, tries: Sequence[Params]) -> None:
        """See `Estimator.check`: what XGBoost fits it can save, so only parameters can be wrong."""
        names = [*self._problem.fixed, *(name for params in tries for name in params)]
        check_names("xgboost", names, PARAMETERS)
        if any("max_bin" in params for params in tries):
            raise UsageError(
                "mlops.yaml: tune.space.max_bin cannot be searched: trials share one binned table",
                hint="set it under train.params",
            )
        few = Part(part.matrix[:300], part.target[:300])
        with _refusals():
            xgboost.train(self._base, self._matrix(few), 1)

    def trials(self, train: Part, validation: Part) -> XGBoostTrials:
        """See `Estimator.trials`."""
        return self.patient_trials(train, validation, PATIENCE)

    def patient_trials(self, train: Part, validation: Part, patience: int) -> XGBoostTrials:
        """See `Averaging.patient_trials`."""
        settings = {**self._base, "nthread": self._problem.threads or 1}
        settings |= {"disable_default_eval_metric": 1}
        judge = Judge(self._problem.task, self._metric, validation, patience)
        return XGBoostTrials(settings, judge, self._matrix(train))

    def fit(self, part: Part, params: Params, rounds: int | None) -> XGBoostModel:
        """See `Estimator.fit`."""
        with _refusals():
            booster = xgboost.train(
                {**self._base, **params}, self._matrix(part), num_boost_round=rounds or 1
            )
        return XGBoostModel(booster, [f.name for f in self._problem.features])

    def average(self, part: Part, fits: Sequence[Fit]) -> XGBoostModel:
        """See `Averaging.average`: boosters side by side, one thread each, then as one."""
        matrix = self._matrix(part)

        def content(fit: Fit) -> bytes:
            settings = {**self._base, **fit.params, "seed": fit.seed, "nthread": 1}
            return bytes(xgboost.train(settings, matrix, fit.rounds).save_raw("ubj"))

        with _refusals(), ThreadPoolExecutor(self._problem.threads or cores()) as pool:
            contents = list(pool.map(content, fits))
        booster = xgboost.Booster(self._base)
        booster.load_model(bytearray(averaged(contents, [fit.weight for fit in fits])))
        return XGBoostModel(booster, [f.name for f in self._problem.features])

    def update(self, parts: tuple[Part, Part], params: Params, before: bytes) -> tuple[Fitted, int]:
        """See `Estimator.update`: boosting goes on, with the rounds that `PATIENCE` leaves."""
        trials = self.trials(*parts)
        with _refusals():
            trial = XGBoostTrialFit(trials, params, before)
            added = trial.added(trial.advance(_MOST_ADDED + trial.ran, lambda: None))
            booster = xgboost.train(
                {**self._base, **params},
                self._matrix(together(parts)),
                num_boost_round=added,
                xgb_model=bytearray(before),
            )
        return XGBoostModel(booster, [f.name for f in self._problem.features]), added

    def modules(self) -> dict[str, str]:
        """See `Estimator.modules`."""
        return {"numpy": np.__version__, "xgboost": xgboost.__version__}

    def settings(self) -> dict[str, str]:
        """See `Estimator.settings`."""
        return {**self.modules(), "threads": str(self._problem.threads or 1)}

    def _matrix(self, part: Part) -> Any:
        # Categories go in as numbers: docs/decisions/004-categories-as-numbers.md.
        bins = self._base.get("max_bin", _BINS)
        return xgboost.QuantileDMatrix(
            part.matrix, label=part.target, weight=part.weight, max_bin=bins
        )


def _of_quantile(level: float) -> dict[str, Any]:
    return {"objective": "reg:quantileerror", "quantile_alpha": level}


@dataclass(frozen=True, slots=True)
class Judge:
    """What trials are judged by, and after how many rounds without gain they end."""

    task: Task
    metric: Metric
    validation: Part
    patience: int


class XGBoostTrials:
    """`Trials` on a matrix that is binned once, for as many threads as there are trials."""

    def __init__(self, settings: dict[str, Any], judge: Judge, train: Any) -> None:
        self.settings = settings
        self.judge = judge
        self.train = train

    def start(self, params: Params) -> XGBoostTrialFit:
        """See `Trials.start`."""
        return XGBoostTrialFit(self, params)


class XGBoostTrialFit:
    """`TrialFit`: a booster, its margins on the validation part, and those of its best round.

    A look at the validation part costs as much as four rounds of a shallow tree, nearly whatever
    the number of trees that are new to it: so not every round is looked at.
    """

    def __init__(self, trials: XGBoostTrials, params: Params, before: bytes | None = None) -> None:
        self._trials = trials
        self._params = params
        self._booster: Any = None
        self._ran = self._looked = self._best = 0
        self._loss = math.inf
        self._margins: Any = None
        self._best_margins: Any = None
        self._began = 0  # rounds of the model that it goes on from
        if before is not None:
            self._booster = xgboost.Booster(self._settings, [trials.train], bytearray(before))
            self._began = self._ran = self._booster.num_boosted_rounds()
            self._look()

    @property
    def ran(self) -> int:
        """Rounds so far, with those of the model that it goes on from."""
        return self._ran

    def added(self, tried: Tried) -> int:
        """Rounds that gained something beyond the model that it goes on from."""
        return (tried.rounds or 0) - self._began

    @property
    def _settings(self) -> dict[str, Any]:
        return {**self._trials.settings, **self._params}

    def advance(self, rounds: int, check: Check) -> Tried:
        """See `TrialFit.advance`."""
        with _refusals():
            if self._booster is None:
                self._booster = xgboost.Booster(self._settings, [self._trials.train])
            while self._ran < rounds and not self._ended():
                check()
                self._booster.update(self._trials.train, self._ran)
                self._ran += 1
                if (
                    self._ran - self._began <= _EACH
                    or self._ran % _EACH == 0
                    or self._ran == rounds
                ):
                    self._look()
        predictions = _predictions(_from_margins(self._trials.judge.task, self._best_margins))
        score = self._trials.judge.metric.value(self._trials.judge.validation.target, predictions)
        return Tried(float(score), self._best, self._ran, self._ended(), lambda: predictions)

    def _ended(self) -> bool:
        return self._looked - self._best >= self._trials.judge.patience

    def _look(self) -> None:
        """Add what the new trees say of the validation part, and see what it is worth."""
        self._margins = self._booster.inplace_predict(
            self._trials.judge.validation.matrix,
            iteration_range=(self._looked, self._ran),
            predict_type="margin",
            base_margin=self._margins,
        )
        self._looked = self._ran
        judge, margins = self._trials.judge, _predictions(self._margins)
        part = judge.validation
        loss = round_loss(judge.task, part.target, margins, part.weight)
        if self._best == 0 or loss < self._loss:
            self._loss, self._best, self._best_margins = loss, self._ran, self._margins


def _from_margins(task: Task, margins: Any) -> Any:
    """Predictions of margins, float32 as XGBoost's own: (n,), or multiclass (n, k)."""
    if task == "regression":
        return margins
    if task == "binary":
        with np.errstate(over="ignore"):
            return 1 / (1 + np.exp(-margins))
    powers = np.exp(margins - margins.max(axis=1, keepdims=True))
    return powers / powers.sum(axis=1, keepdims=True)


class XGBoostModel:
    """`Fitted`: a booster."""

    def __init__(self, booster: Any, names: list[str]) -> None:
        self._booster = booster
        self._names = names

    def predict(self, matrix: Matrix) -> NDArray[np.float64]:
        """See `Fitted.predict`."""
        return _predictions(self._booster.predict(xgboost.DMatrix(matrix)))

    def margins(self, matrix: Matrix) -> NDArray[np.float64]:
        """See `Grown.margins`."""
        return _predictions(self._booster.predict(xgboost.DMatrix(matrix), output_margin=True))

    def contributions(self, matrix: Matrix) -> NDArray[np.float64]:
        """Exact TreeSHAP contributions (n, f) to the margin; of several classes summed sizes."""
        found = self._booster.predict(xgboost.DMatrix(matrix), pred_contribs=True)[..., :-1]
        return _predictions(found if found.ndim == 2 else np.abs(found).sum(axis=1))

    def ensemble(self) -> Ensemble:
        """See `Grown.ensemble`."""
        return ensemble_of(self.content(), len(self._names))

    def importance(self) -> dict[str, float]:
        """See `Fitted.importance`: the share of the total gain."""
        gain = self._booster.get_score(importance_type="total_gain")
        total = sum(gain.values())
        shares = {name: gain.get(f"f{i}", 0.0) for i, name in enumerate(self._names)}
        return {name: value / total if total else 0.0 for name, value in shares.items()}

    def content(self) -> bytes:
        """See `Fitted.content`: UBJSON."""
        return bytes(self._booster.save_raw("ubj"))


def _directions(problem: Problem) -> dict[str, str]:
    if not problem.monotone:
        return {}
    if "monotone_constraints" in problem.fixed:
        raise UsageError(
            "mlops.yaml: train.monotone and train.params.monotone_constraints say the same twice",
            hint="remove train.params.monotone_constraints",
        )
    signs = (str(problem.monotone.get(feature.name, 0)) for feature in problem.features)
    return {"monotone_constraints": f"({','.join(signs)})"}


def _predictions(raw: Any) -> NDArray[np.float64]:
    return np.asarray(raw, dtype=np.float64)


@contextmanager
def _refusals() -> Iterator[None]:
    try:
        yield
    except xgboost.core.XGBoostError as e:
        said = " ".join(str(e).split("Stack trace")[0].split())[-300:]
        raise UsageError(
            f"XGBoost refuses the parameters: {said}", hint="see train.params and tune.space"
        ) from e
