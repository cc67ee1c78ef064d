"""Estimators of scikit-learn, as far as ONNX can say what they do."""

from __future__ import annotations

import importlib
import inspect
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np
import onnxruntime
import sklearn
from numpy.typing import NDArray
from sklearn.base import BaseEstimator, ClassifierMixin, RegressorMixin
from sklearn.compose import ColumnTransformer
from sklearn.ensemble import BaseEnsemble
from sklearn.exceptions import ConvergenceWarning
from sklearn.impute import SimpleImputer
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler
from threadpoolctl import threadpool_limits

from mlops_cli.bundle.manifest import ModelKind
from mlops_cli.cores import cores
from mlops_cli.errors import UsageError
from mlops_cli.evaluation.metrics import metric_of
from mlops_cli.training.base import Check, Fitted, Params, Part, Problem, Tried
from mlops_cli.training.incremental import (
    KEPT,
    NothingKept,
    further,
    goes_on,
    resume,
)
from mlops_cli.training.onnx import cast_to_double
from mlops_cli.training.parts import together
from mlops_cli.training.sklearn_model import SklearnModel, is_tree, spread_of

Matrix = NDArray[np.float32]
FEW = 400  # rows of the fit that proves that an estimator can be served
MISSING = -1.0  # the code of a missing or unseen category
WORKS = {
    "classification": "xgboost, sklearn:linear_model.LogisticRegression, "
    "sklearn:ensemble.RandomForestClassifier, sklearn:ensemble.HistGradientBoostingClassifier",
    "regression": "xgboost, sklearn:linear_model.Ridge, sklearn:ensemble.RandomForestRegressor, "
    "sklearn:ensemble.HistGradientBoostingRegressor",
}
# What follows from the configuration or changes how, not what, is computed.
_HELD = ("random_state", "n_jobs", "verbose", "warm_start")
_LOSSES = {"binary": "log_loss", "multiclass": "log_loss", "regression": "rmse"}
_PASSES, _PATIENCE = 100, 5  # that an update makes at the most, and without gain
_GO_ON = ", ".join(f"sklearn:{path}" for path in KEPT)


def open_estimator(path: str, problem: Problem) -> Sklearn:
    """See `training.open_estimator`; `path` is a class below `sklearn.`, by its public name."""
    return Sklearn(_class_of(path, problem), path, problem)


class Sklearn:
    """`Estimator`: missing values filled, categories one-hot, then one class of scikit-learn.

    Trees take the filled features as they are, with a category's code as a number; all others
    get categories one-hot (unseen and missing: all zero) and numbers scaled, in float64. Scaled,
    a rare category's column would be many standard deviations wide, and drown the numbers.
    Everything is fitted on the rows that are fitted on, and on no others.
    """

    kind: ModelKind = "onnx"
    has_rounds = False

    def __init__(self, cls: type[Any], path: str, problem: Problem) -> None:
        self._class = cls
        self._path = path
        self._problem = problem
        self._metric = metric_of(problem.task, problem.metric)

    def check(self, part: Part, tries: Sequence[Params]) -> None:
        """See `Estimator.check`."""
        known = set(inspect.signature(self._class).parameters)
        for name in [*self._problem.fixed, *(name for params in tries for name in params)]:
            if name not in known or name in _HELD:
                raise UsageError(
                    f"mlops.yaml: {name!r} is no parameter of {self._path} that may be set",
                    hint=f"known: {', '.join(sorted(known - set(_HELD)))}",
                )
        few = _few(part, self._problem)
        refused: list[UsageError] = []
        for params in tries:
            try:
                models = [self.fit(few, params, None) for _ in range(2)]
            except UsageError as e:
                refused.append(e)  # two ends of a space need not go together
                continue
            self._prove(models, few)
        if len(refused) == len(tries):
            raise refused[0]

    def _prove(self, models: Sequence[SklearnModel], few: Part) -> None:
        try:
            first, second = (m.content() for m in models)
            worst = models[0].disagreement(few.matrix)
        except Exception as e:  # skl2onnx and its kin raise whatever comes up
            raise self._refused(f"ONNX cannot say what it does: {_first_line(e)}") from e
        if worst is not None:
            raise self._refused(f"its ONNX form does not predict the same: {worst}")
        if first != second:
            raise self._refused("the same fit does not give the same ONNX form twice")

    def trials(self, train: Part, validation: Part) -> SklearnTrials:
        """See `Estimator.trials`."""
        return SklearnTrials(self, self._metric.value, train, validation)

    def fit(self, part: Part, params: Params, rounds: int | None) -> SklearnModel:
        """See `Estimator.fit`."""
        del rounds
        pipeline = self._pipeline(params)
        with self._fitting():
            pipeline.fit(part.matrix, self._target(part))
            _alone(pipeline[-1])
        return self._model(pipeline, part)

    def update(self, parts: tuple[Part, Part], params: Params, before: bytes) -> tuple[Fitted, int]:
        """See `Estimator.update`: a round is a pass over the rows.

        Numbers stay filled and scaled as they were, for the coefficients are of that scale.
        """
        train, validation = parts
        loss = metric_of(self._problem.task, _LOSSES[self._problem.task]).value
        losses: list[float] = []
        with self._fitting():
            fitted = self._resumed(params, before)
            while True:
                said = self._model(fitted, train).predict(validation.matrix)
                losses.append(float(loss(validation.target, said)))
                if len(losses) > _PASSES or not further(losses, patience=_PATIENCE):
                    break
                self._pass(fitted, train)
            added = int(np.argmin(losses))
            both = together(parts)
            fitted = self._resumed(params, before)
            for _ in range(added):
                self._pass(fitted, both)
        return self._model(fitted, both), added

    def _pass(self, pipeline: Pipeline, part: Part) -> None:
        pipeline[-1].partial_fit(pipeline[:-1].transform(part.matrix), self._target(part))

    def _resumed(self, params: Params, before: bytes) -> Pipeline:
        pipeline = self._pipeline(params)
        if not goes_on(self._path, pipeline[-1]):
            raise UsageError(
                f"mlops.yaml: train.update is set, and sklearn:{self._path} cannot go on from a "
                "model with these parameters",
                hint=f"remove train.update; estimators that can: xgboost, {_GO_ON} (without "
                "averaging, and a network not by lbfgs)",
            )
        shape = self._problem.classes, len(self._problem.features)
        try:
            resume(self._path, pipeline, before, shape=shape)
        except NothingKept as e:
            raise UsageError(
                f"mlops.yaml: train.update names a version that holds nothing which "
                f"sklearn:{self._path} can go on from: {e}",
                hint="remove train.update, and train from nothing once: later ones can go on",
            ) from e
        return pipeline

    @contextmanager
    def _fitting(self) -> Iterator[None]:
        # One thread: sums that several threads make do not come out the same twice.
        with threadpool_limits(1), warnings.catch_warnings():
            # A search tries what does not converge; its score says what that costs.
            warnings.simplefilter("ignore", ConvergenceWarning)
            try:
                yield
            except (ValueError, TypeError) as e:
                raise UsageError(
                    f"{self._path} refuses its parameters or data: {_first_line(e)}",
                    hint="see train.params and tune.space in mlops.yaml",
                ) from e

    def _pipeline(self, params: Params) -> Pipeline:
        return Pipeline([*self._preparation(), ("model", self._made(params))])

    def _target(self, part: Part) -> NDArray[Any]:
        return part.target if self._problem.task == "regression" else part.target.astype(np.int64)

    def _model(self, pipeline: Pipeline, part: Part) -> SklearnModel:
        spread = spread_of(part.matrix, self._problem.features)
        return SklearnModel(pipeline, self._problem, spread, self._path)

    def modules(self) -> dict[str, str]:
        """See `Estimator.modules`."""
        return {"numpy": np.__version__, "onnxruntime": onnxruntime.__version__}

    def settings(self) -> dict[str, str]:
        """See `Estimator.settings`: one thread fits, so their number does not count."""
        return {**self.modules(), "sklearn": sklearn.__version__}

    def _made(self, params: Params) -> Any:
        asked: dict[str, Any] = {**self._problem.fixed, **params}
        known = inspect.signature(self._class).parameters
        if "random_state" in known:
            asked["random_state"] = self._problem.seed
        if "n_jobs" in known and issubclass(self._class, BaseEnsemble):
            asked["n_jobs"] = self._problem.threads or cores()
        try:
            return self._class(**asked)
        except TypeError as e:
            raise self._refused(f"it cannot be made of parameters alone: {e}") from e

    def _preparation(self) -> list[tuple[str, Any]]:
        trees = is_tree(self._class)
        numeric = [i for i, f in enumerate(self._problem.features) if f.kind == "numeric"]
        coded = [i for i, f in enumerate(self._problem.features) if f.kind == "category"]
        filled: list[tuple[str, Any, list[int]]] = []
        if numeric:
            filled.append(("numeric", _medians() if trees else _scaled(), numeric))
        if coded:
            filled.append(("category", _codes() if trees else self._one_hot(coded), coded))
        return [("fill", ColumnTransformer(filled, sparse_threshold=0))]

    def _one_hot(self, coded: Sequence[int]) -> Pipeline:
        lists = [self._problem.features[i].categories or ("",) for i in coded]
        encoder = OneHotEncoder(
            categories=[np.arange(len(c), dtype=np.float32) for c in lists],
            handle_unknown="ignore",
            sparse_output=False,
            dtype=np.float32,
        )
        return Pipeline([("fill", _codes()), ("encode", encoder), ("cast", cast_to_double())])

    def _refused(self, why: str) -> UsageError:
        group = "regression" if self._problem.task == "regression" else "classification"
        return UsageError(
            f"mlops.yaml: train.estimator sklearn:{self._path} cannot be served: {why}"[:500],
            hint=f"these work: {WORKS[group]}",
        )


class SklearnTrials:
    """`Trials` without rounds: a trial is fitted in one go."""

    def __init__(self, estimator: Sklearn, value: Any, train: Part, validation: Part) -> None:
        self._estimator = estimator
        self._value = value
        self._train = train
        self._validation = validation

    def start(self, params: Params) -> SklearnTrialFit:
        """See `Trials.start`."""
        return SklearnTrialFit(self, params)

    def tried(self, params: Params) -> Tried:
        """Fit with `params` and judge it."""
        fitted = self._estimator.fit(self._train, params, None)
        predictions = fitted.predict(self._validation.matrix)
        score = float(self._value(self._validation.target, predictions))
        return Tried(score=score, rounds=None, ran=None, ended=True, predict=lambda: predictions)


class SklearnTrialFit:
    """`TrialFit` that is over with its first step."""

    def __init__(self, trials: SklearnTrials, params: Params) -> None:
        self._trials = trials
        self._params = params

    def advance(self, rounds: int, check: Check) -> Tried:
        """See `TrialFit.advance`."""
        del rounds
        check()
        return self._trials.tried(self._params)


def _alone(model: Any) -> None:
    """Trees may be grown side by side, but are summed by one thread, in one order."""
    if getattr(model, "n_jobs", None) is not None:
        model.set_params(n_jobs=1)


def _codes() -> SimpleImputer:
    return SimpleImputer(strategy="constant", fill_value=MISSING, keep_empty_features=True)


def _medians() -> SimpleImputer:
    return SimpleImputer(strategy="median", keep_empty_features=True)


def _scaled() -> Pipeline:
    return Pipeline([("fill", _medians()), ("cast", cast_to_double()), ("scale", StandardScaler())])


def _class_of(path: str, problem: Problem) -> type[Any]:
    module, _, name = path.rpartition(".")
    full = f"sklearn.{module}"
    wanted = RegressorMixin if problem.task == "regression" else ClassifierMixin
    try:
        if any(part.startswith("_") for part in path.split(".")):
            raise ImportError(f"{path} is private")
        found: Any = getattr(importlib.import_module(full), name)
    except (ImportError, AttributeError) as e:
        raise UsageError(
            f"mlops.yaml: train.estimator names {full}.{name}, which scikit-learn "
            f"{sklearn.__version__} does not have",
            hint=f"these work: {_works(problem)}",
        ) from e
    known = inspect.isclass(found) and found.__module__.partition(".")[0] == "sklearn"
    if not (known and issubclass(found, BaseEstimator) and issubclass(found, wanted)):
        kind = "regressor" if problem.task == "regression" else "classifier"
        raise UsageError(
            f"mlops.yaml: train.estimator names {full}.{name}, which is no {kind}",
            hint=f"these work: {_works(problem)}",
        )
    if wanted is ClassifierMixin and not hasattr(found, "predict_proba"):
        raise UsageError(
            f"mlops.yaml: {full}.{name} gives no probabilities",
            hint=f"these work: {_works(problem)}",
        )
    cls: type[Any] = found
    return cls


def _works(problem: Problem) -> str:
    return WORKS["regression" if problem.task == "regression" else "classification"]


def _few(part: Part, problem: Problem) -> Part:
    """A few hundred rows, evenly spaced, and a few of every class."""
    n = len(part.target)
    rows = set(np.linspace(0, n - 1, min(n, FEW)).astype(np.int64).tolist())
    for k in range(problem.classes):
        rows |= set(np.flatnonzero(part.target == k)[:5].tolist())
    chosen = np.array(sorted(rows))
    return Part(np.ascontiguousarray(part.matrix[chosen]), part.target[chosen])


def _first_line(e: BaseException) -> str:
    return (str(e).strip().splitlines() or [type(e).__name__])[0][:250]
