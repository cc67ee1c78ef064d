"""Estimators of scikit-learn, as far as ONNX can say what they do."""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np
import onnxruntime
import sklearn
from numpy.typing import NDArray
from sklearn.compose import ColumnTransformer
from sklearn.exceptions import ConvergenceWarning
from sklearn.impute import SimpleImputer
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler
from sklearn.utils.validation import has_fit_parameter
from threadpoolctl import threadpool_limits

from mlops_cli.bundle.manifest import ModelKind
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
from mlops_cli.training.sklearn_source import Source, class_of, works

Matrix = NDArray[np.float32]
WEIGHTS = True  # it can weigh rows, but for some classes, which are told by name
FEW = 400  # rows of the fit that proves that an estimator can be served
MISSING = -1.0  # the code of a missing or unseen category
# What follows from the configuration or changes how, not what, is computed.
_HELD = ("random_state", "n_jobs", "verbose", "warm_start")
_LOSSES = {"binary": "log_loss", "multiclass": "log_loss", "regression": "rmse"}
_PASSES, _PATIENCE = 100, 5  # that an update makes at the most, and without gain
_GO_ON = ", ".join(f"sklearn:{path}" for path in KEPT)


def open_estimator(path: str, problem: Problem) -> Sklearn:
    """See `training.open_estimator`; `path` is a class below `sklearn.`, by its public name."""
    return Sklearn(class_of(path, problem), problem)


class Sklearn:
    """`Estimator`: missing values filled, categories one-hot, then one class of scikit-learn.

    Trees take the filled features as they are, with a category's code as a number; all others
    get categories one-hot (unseen and missing: all zero) and numbers scaled, in float64. Scaled,
    a rare category's column would be many standard deviations wide, and drown the numbers.
    Everything is fitted on the rows that are fitted on, and on no others.
    """

    kind: ModelKind = "onnx"
    has_rounds = False

    def __init__(self, source: Source, problem: Problem) -> None:
        self._source = source
        self._problem = problem
        self._metric = metric_of(problem.task, problem.metric)

    def check(self, part: Part, tries: Sequence[Params]) -> None:
        """See `Estimator.check`."""
        known = self._source.known - set(_HELD)
        for name in [*self._problem.fixed, *(name for params in tries for name in params)]:
            if name not in known:
                raise UsageError(
                    f"mlops.yaml: {name!r} is no parameter of {self._source.name} that may be set",
                    hint=f"known: {', '.join(sorted(known))}",
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
            pipeline.fit(part.matrix, self._target(part), **self._weights(pipeline, part))
            _alone(pipeline[-1])
        return self._model(pipeline, part)

    def update(self, parts: tuple[Part, Part], params: Params, before: bytes) -> tuple[Fitted, int]:
        """See `Estimator.update`: a round is a pass over the rows.

        Numbers stay filled and scaled as they were, for the coefficients are of that scale.
        """
        train, validation = parts
        if train.weight is not None:
            raise UsageError(
                f"mlops.yaml: train.update and train.weights are set, and {self._source.name} goes "
                "on without weights",
                hint="remove one of the two; with xgboost they go together",
            )
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

    def _weights(self, pipeline: Pipeline, part: Part) -> dict[str, Any]:
        """The rows' weights, by the name under which its last step takes them."""
        if part.weight is None:
            return {}
        name, model = "", pipeline
        while isinstance(model, Pipeline):
            name, model = f"{name}{model.steps[-1][0]}__", model.steps[-1][1]
        if not has_fit_parameter(model, "sample_weight"):
            raise UsageError(
                f"mlops.yaml: train.weights and train.mitigate weigh rows, and {self._source.name} "
                f"({type(model).__name__}) cannot weigh rows",
                hint=f"remove them; of these all can: {works(self._problem)}",
            )
        return {f"{name}sample_weight": part.weight}

    def _pass(self, pipeline: Pipeline, part: Part) -> None:
        pipeline[-1].partial_fit(pipeline[:-1].transform(part.matrix), self._target(part))

    def _resumed(self, params: Params, before: bytes) -> Pipeline:
        pipeline = self._pipeline(params)
        if not goes_on(self._source.path, pipeline[-1]):
            raise UsageError(
                f"mlops.yaml: train.update is set, and {self._source.name} cannot go on from a "
                "model with these parameters",
                hint=f"remove train.update; estimators that can: xgboost, {_GO_ON} (without "
                "averaging, and a network not by lbfgs)",
            )
        shape = self._problem.classes, len(self._problem.features)
        try:
            resume(self._source.path, pipeline, before, shape=shape)
        except NothingKept as e:
            raise UsageError(
                f"mlops.yaml: train.update names a version that holds nothing which "
                f"{self._source.name} can go on from: {e}",
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
                    f"{self._source.name} refuses its parameters or data: {_first_line(e)}",
                    hint="see train.params and tune.space in mlops.yaml",
                ) from e

    def _pipeline(self, params: Params) -> Pipeline:
        model = self._made(params)
        return Pipeline([*self._preparation(model), ("model", model)])

    def _target(self, part: Part) -> NDArray[Any]:
        return part.target if self._problem.task == "regression" else part.target.astype(np.int64)

    def _model(self, pipeline: Pipeline, part: Part) -> SklearnModel:
        spread = spread_of(part.matrix, self._problem.features)
        return SklearnModel(pipeline, self._problem, spread, self._source.path)

    def modules(self) -> dict[str, str]:
        """See `Estimator.modules`."""
        return {"numpy": np.__version__, "onnxruntime": onnxruntime.__version__}

    def settings(self) -> dict[str, str]:
        """See `Estimator.settings`: one thread fits, so their number does not count."""
        return {**self.modules(), "sklearn": sklearn.__version__}

    def _made(self, params: Params) -> Any:
        asked: dict[str, Any] = {**self._problem.fixed, **params}
        if "random_state" in self._source.known:
            asked["random_state"] = self._problem.seed
        try:
            return self._source.make(asked)
        except TypeError as e:
            raise self._refused(f"it cannot be made of parameters alone: {e}") from e

    def _preparation(self, model: Any) -> list[tuple[str, Any]]:
        trees = is_tree(model)
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
        return UsageError(
            f"mlops.yaml: train.estimator {self._source.name} cannot be served: {why}"[:500],
            hint=f"these work: {works(self._problem)}",
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


def _few(part: Part, problem: Problem) -> Part:
    """A few hundred rows, evenly spaced, and a few of every class."""
    n = len(part.target)
    rows = set(np.linspace(0, n - 1, min(n, FEW)).astype(np.int64).tolist())
    for k in range(problem.classes):
        rows |= set(np.flatnonzero(part.target == k)[:5].tolist())
    chosen = np.array(sorted(rows))
    weight = None if part.weight is None else np.ones(len(chosen))
    return Part(np.ascontiguousarray(part.matrix[chosen]), part.target[chosen], weight)


def _first_line(e: BaseException) -> str:
    return (str(e).strip().splitlines() or [type(e).__name__])[0][:250]
