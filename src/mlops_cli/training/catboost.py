"""Gradient boosted oblivious trees by CatBoost, served as ONNX in float64 without it."""

from __future__ import annotations

import json
import math
import re
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NoReturn

import catboost
import numpy as np
import onnxruntime
from numpy.typing import NDArray

from mlops_cli.bundle.manifest import ModelKind, Task
from mlops_cli.errors import UsageError
from mlops_cli.evaluation.metrics import metric_of
from mlops_cli.training.base import PATIENCE, Check, Fit, Params, Part, Problem, Tried
from mlops_cli.training.catboost_trees import ensemble_of
from mlops_cli.training.greedy import predictions_of
from mlops_cli.training.mixed import Mixed, content_of, mixed
from mlops_cli.training.round_loss import round_loss
from mlops_cli.training.tree_ensemble import Ensemble
from mlops_cli.training.trees_as_onnx import check_served, refuse_update, shares

MONOTONE = True  # it can keep to a direction
WEIGHTS = True  # it can weigh rows
_EACH = 5  # beyond so many rounds only each fifth is looked at
_LOSSES: dict[Task, str] = {"binary": "Logloss", "multiclass": "MultiClass", "regression": "RMSE"}
# By itself CatBoost takes a step, and of two classes a number of Newton's iterations a leaf, by the
# rounds asked for: then the first trees of a long fit would not be those of a short one.
_STEP = 0.1
_ITERATIONS: dict[Task, int] = {"binary": 10, "multiclass": 1, "regression": 1}
# What a user may set: not what follows from the task or the machine, or has no exact form.
PARAMETERS = frozenset(
    {
        "learning_rate",
        "depth",
        "l2_leaf_reg",
        "random_strength",
        "bagging_temperature",
        "bootstrap_type",
        "subsample",
        "rsm",
        "border_count",
        "feature_border_type",
        "leaf_estimation_iterations",
        "leaf_estimation_method",
        "nan_mode",
        "score_function",
        "scale_pos_weight",
        "auto_class_weights",
    }
)


def open_estimator(path: str, problem: Problem) -> CatBoost:
    """See `training.open_estimator`; `path` is empty."""
    del path
    return CatBoost(problem)


class CatBoost:
    """`Estimator`: oblivious trees, a missing value below all others, categories as numbers."""

    kind: ModelKind = "onnx"
    has_rounds = True
    step = "learning_rate"
    own_step = _STEP
    portfolio: tuple[Params, ...] = ()

    def __init__(self, problem: Problem) -> None:
        self.problem = problem
        signs = [problem.monotone.get(feature.name, 0) for feature in problem.features]
        self.settings_of_all: dict[str, Any] = {
            "loss_function": _LOSSES[problem.task],
            "random_seed": problem.seed,
            "learning_rate": _STEP,
            "leaf_estimation_iterations": _ITERATIONS[problem.task],
            "thread_count": 1,  # sums that several threads make do not come out the same twice
            "logging_level": "Silent",
            "allow_writing_files": False,
            **({"classes_count": problem.classes} if problem.task == "multiclass" else {}),
            **({"monotone_constraints": signs} if problem.monotone else {}),
            **problem.fixed,
        }

    def check(self, part: Part, tries: Sequence[Params]) -> None:
        """See `Estimator.check`."""
        check_served("catboost", self, self.problem, part, tries, known=PARAMETERS)

    def trials(self, train: Part, validation: Part) -> CatBoostTrials:
        """See `Estimator.trials`."""
        return self.patient_trials(train, validation, PATIENCE)

    def patient_trials(self, train: Part, validation: Part, patience: int) -> CatBoostTrials:
        """See `Averaging.patient_trials`."""
        return CatBoostTrials(self, train, validation, patience)

    def fit(self, part: Part, params: Params, rounds: int | None) -> CatBoostModel:
        """See `Estimator.fit`."""
        return CatBoostModel(self.grown(self.rows(part), params, rounds or 1), self.problem)

    def average(self, part: Part, fits: Sequence[Fit]) -> Mixed:
        """See `Averaging.average`."""
        rows = self.rows(part)
        models = [
            CatBoostModel(
                self.grown(rows, {**fit.params, "random_seed": fit.seed}, fit.rounds), self.problem
            )
            for fit in fits
        ]
        return mixed(self.problem.task, models, [fit.weight for fit in fits])

    def update(self, parts: tuple[Part, Part], params: Params, before: bytes) -> NoReturn:
        """See `Estimator.update`: it cannot."""
        refuse_update("catboost")

    def modules(self) -> dict[str, str]:
        """See `Estimator.modules`."""
        return {"numpy": np.__version__, "onnxruntime": onnxruntime.__version__}

    def settings(self) -> dict[str, str]:
        """See `Estimator.settings`."""
        return {**self.modules(), "catboost": catboost.__version__}

    def rows(self, part: Part) -> Any:
        """The part as CatBoost takes it."""
        target = part.target if self.problem.task == "regression" else part.target.astype(np.int64)
        with _refusals():
            return catboost.Pool(part.matrix, target, weight=part.weight)

    def grown(self, rows: Any, params: Params, rounds: int, check: Check | None = None) -> Any:
        """A model of so many trees; raises what `check` raises, which is called after each."""
        settings = {**self.settings_of_all, **params, "iterations": rounds}
        watch = _Watch(check)
        with _refusals():
            model = catboost.CatBoost(settings)
            model.fit(rows, **({"callbacks": [watch]} if check else {}))
        if watch.raised is not None:
            raise watch.raised
        return model


class _Watch:
    """Ends a fit where the search was given up: an error may not cross CatBoost's own code."""

    def __init__(self, check: Check | None) -> None:
        self._check = check
        self.raised: BaseException | None = None

    def after_iteration(self, info: Any) -> bool:
        """Whether the fit goes on."""
        del info
        try:
            if self._check is not None:
                self._check()
        except BaseException as e:  # noqa: BLE001  it is raised again where the fit has ended
            self.raised = e
        return self.raised is None


class CatBoostTrials:
    """`Trials`: rows that are read once."""

    def __init__(self, estimator: CatBoost, train: Part, validation: Part, patience: int) -> None:
        self.estimator = estimator
        self.train = estimator.rows(train)
        self.validation = validation
        self.patience = patience
        self.metric = metric_of(estimator.problem.task, estimator.problem.metric)

    def start(self, params: Params) -> CatBoostTrialFit:
        """See `Trials.start`."""
        return CatBoostTrialFit(self, params)


class CatBoostTrialFit:
    """`TrialFit`, which begins anew with each step: CatBoost goes on from no fit of its own.

    The first trees of a longer fit are those of a shorter one, so the numbers are those of a fit
    that went on.
    """

    def __init__(self, trials: CatBoostTrials, params: Params) -> None:
        self._trials = trials
        self._params = params
        self._ran = self._best = 0
        self._loss = math.inf
        self._best_margins: Any = None

    def advance(self, rounds: int, check: Check) -> Tried:
        """See `TrialFit.advance`."""
        trials = self._trials
        if self._ran < rounds and not self._ended():
            model = trials.estimator.grown(trials.train, self._params, rounds, check)
            self._look(model, rounds)
        task, target = trials.estimator.problem.task, trials.validation.target
        said = predictions_of(task, self._best_margins)
        score = float(trials.metric.value(target, said))
        return Tried(score, self._best, self._ran, self._ended(), lambda: said)

    def _ended(self) -> bool:
        return self._ran - self._best >= self._trials.patience

    def _look(self, model: Any, rounds: int) -> None:
        """See what the rounds are worth that are new, up to where none has gained for long."""
        part, task = self._trials.validation, self._trials.estimator.problem.task
        for ran, margins in _stages(model, part.matrix, rounds):
            if ran <= self._ran:
                continue
            self._ran = ran
            loss = round_loss(task, part.target, margins, part.weight)
            if self._best == 0 or loss < self._loss:
                self._loss, self._best, self._best_margins = loss, ran, margins
            if self._ended():
                return
        self._ran = max(self._ran, rounds)  # of a fit that found nothing to split any more


def _stages(
    model: Any, matrix: NDArray[np.float32], rounds: int
) -> Iterator[tuple[int, NDArray[np.float64]]]:
    """Rounds that are looked at, and margins after each: the first few, then every fifth."""
    grown = int(model.tree_count_)
    if not grown:
        yield rounds, _shaped(model.predict(matrix, "RawFormulaVal", thread_count=1))
        return
    first = min(_EACH, rounds, grown)
    said = model.staged_predict(matrix, "RawFormulaVal", 0, first, 1, thread_count=1)
    for ran, margins in enumerate(said, 1):
        yield ran, _shaped(margins)
    if grown <= _EACH:
        return
    said = model.staged_predict(matrix, "RawFormulaVal", 0, grown, _EACH, thread_count=1)
    for number, margins in enumerate(said, 1):
        yield min(number * _EACH, grown), _shaped(margins)


def _shaped(margins: Any) -> NDArray[np.float64]:
    """Of shape (n,), multiclass (n, k), and no longer CatBoost's own memory."""
    return np.array(margins, dtype=np.float64)


class CatBoostModel:
    """`Fitted`: a model of oblivious trees."""

    def __init__(self, model: Any, problem: Problem) -> None:
        self._model = model
        self._problem = problem

    def margins(self, matrix: NDArray[np.float32]) -> NDArray[np.float64]:
        """See `Grown.margins`."""
        return _shaped(self._model.predict(matrix, "RawFormulaVal", thread_count=1))

    def predict(self, matrix: NDArray[np.float32]) -> NDArray[np.float64]:
        """See `Fitted.predict`."""
        return predictions_of(self._problem.task, self.margins(matrix))

    def importance(self) -> dict[str, float]:
        """See `Fitted.importance`: how much predictions change where the feature does."""
        return shares(self._problem, self._model.get_feature_importance())

    def ensemble(self) -> Ensemble:
        """See `Grown.ensemble`."""
        with tempfile.TemporaryDirectory() as folder:
            file = Path(folder) / "model.json"  # it has no text form but in a file
            self._model.save_model(str(file), format="json")
            said = json.loads(file.read_bytes())
        values = np.asarray(self._model.get_leaf_values(), dtype=np.float64)
        return ensemble_of(said, values, len(self._problem.features))

    def content(self) -> bytes:
        """See `Fitted.content`: ONNX."""
        return content_of(self._problem.task, self.ensemble())


@contextmanager
def _refusals() -> Iterator[None]:
    try:
        yield
    except catboost.CatBoostError as e:
        said = re.sub(
            r"^\S+\.(cpp|h):\d+: ", "", " ".join(str(e).split())
        )  # a line of its own code
        raise UsageError(
            f"CatBoost refuses the parameters or the rows: {said[:300]}",
            hint="see train.params and tune.space",
        ) from e
