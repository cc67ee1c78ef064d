"""The port of an estimator: what a search and a final fit need of the library that learns."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Protocol, runtime_checkable

from mlops_cli.bundle.manifest import Feature, ModelKind, Task
from mlops_cli.evaluation.base import Question

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

Value = bool | int | float | str
Params = Mapping[str, Value]
Check = Callable[[], None]
"""Called now and then while a fit goes on; raises where the search was given up."""

PATIENCE = 20  # rounds without gain after which a fit on the training part stops


@dataclass(frozen=True, slots=True)
class Problem:
    """What is learned, and how it is judged.

    `metric` is a name of `evaluation.metrics`; `classes` is the number of classes (0: a
    regression). `fixed` are parameters that no search touches. `threads` 0 means every core that
    this process may use. `monotone` are features in which the prediction may only rise (1) or
    fall (-1). `quantile` is learned instead of the mean where it is given, by XGBoost alone.
    `root` is the project's folder, in which a `module:function` of its own stands. `weighted` says
    that rows have weights.
    """

    task: Task
    features: tuple[Feature, ...]
    classes: int
    metric: str
    seed: int
    fixed: Params
    threads: int = 0
    monotone: Mapping[str, int] = field(default_factory=dict)
    quantile: float | None = None
    root: Path | None = None
    weighted: bool = False

    @property
    def question(self) -> Question:
        """What its predictions are judged by."""
        return Question(self.task, self.metric, self.classes)


@dataclass(frozen=True, slots=True)
class Part:
    """Rows to fit on or to judge by.

    `matrix` is float32 of shape (n, f), C-contiguous, missing values being NaN; `target` is
    float64 of shape (n,): the index of the class, or the value. `weight`, of the same shape, says
    how much a row counts where it is fitted, and where rounds are chosen; None: all alike.
    """

    matrix: NDArray[np.float32]
    target: NDArray[np.float64]
    weight: NDArray[np.float64] | None = None


@dataclass(frozen=True, slots=True)
class Tried:
    """How far one fit on the training part is.

    `score` is the metric on the validation part after the best round so far (the estimator without
    rounds: after the fit). `rounds` is the number of rounds up to the best one and `ran` how many
    were run; both are None without rounds. `ended` says that no further round would gain anything.
    `predict` gives the validation part's predictions after the best round, as `Fitted.predict`.
    """

    score: float
    rounds: int | None
    ran: int | None
    ended: bool
    predict: Callable[[], NDArray[np.float64]]


class TrialFit(Protocol):
    """One trial's fit, which stops and goes on; of one thread at a time."""

    def advance(self, rounds: int, check: Check) -> Tried:
        """Go on until `rounds` rounds are run or none has gained for `PATIENCE` rounds.

        What a round is worth is the loss on the validation part, by its rows' weights: log loss
        with its intercept refitted there, or RMSE. The metric plays no part in it. Raises
        `UsageError` where the library refuses the parameters, and what `check` raises.
        """


class Trials(Protocol):
    """Training and validation part, made ready once for any number of trials.

    Trials of an estimator with rounds may go on side by side in threads.
    """

    def start(self, params: Params) -> TrialFit:
        """A fit with `params` that has not begun; raises nothing."""


@dataclass(frozen=True, slots=True)
class Fit:
    """What one model of an average is fitted with: its parameters, rounds, seed and weight.

    `estimator` is whose parameters they are, by its name in `train.estimator`.
    """

    params: Params
    rounds: int
    seed: int
    weight: float
    estimator: str = "xgboost"


class Fitted(Protocol):
    """A fitted model, predicting through the library that fitted it."""

    def predict(self, matrix: NDArray[np.float32]) -> NDArray[np.float64]:
        """P(class 1) of shape (n,), probabilities (n, k), or values (n,), by task."""

    def importance(self) -> dict[str, float]:
        """How much each feature is used, by name, summing to 1 (to 0 where none is used)."""

    def content(self) -> bytes:
        """The content of `model.ubj` or `model.onnx`; the same fit gives the same bytes."""


class Estimator(Protocol):
    """One kind of model for one problem."""

    @property
    def kind(self) -> ModelKind:
        """The form in which it is served."""

    @property
    def has_rounds(self) -> bool:
        """Whether a fit goes in rounds, of which each can be reported and be the last."""

    def check(self, part: Part, tries: Sequence[Params]) -> None:
        """Before any trial: fit on a few hundred rows of `part` and prove that it can be served.

        `tries` are parameters from the ends of what a search will set. Raises `UsageError` for a
        parameter that the estimator does not know, and for an estimator that cannot be converted
        or whose conversion predicts something else, naming the reason and estimators that work.
        """

    def trials(self, train: Part, validation: Part) -> Trials:
        """Make the two parts ready for trials."""

    def fit(self, part: Part, params: Params, rounds: int | None) -> Fitted:
        """Fit for exactly `rounds` rounds (None: the estimator has none)."""

    def update(self, parts: tuple[Part, Part], params: Params, before: bytes) -> tuple[Fitted, int]:
        """Go on from the model whose `content()` is `before`; how many rounds were added.

        `parts` are training and validation part: the rounds are those that gain most on the second,
        and are then fitted on both. Raises `UsageError` where this estimator cannot go on.
        """

    def modules(self) -> dict[str, str]:
        """The versions, by importable module name, that serving must find."""

    def settings(self) -> dict[str, str]:
        """What else a trial's numbers depend on: versions, and the number of threads."""


@runtime_checkable
class Averaging(Protocol):
    """An estimator whose models can be averaged into one that is served like any of them.

    `step` is its name of the step, `own_step` the one that it takes where none is given;
    `portfolio` are parameters that do well beside found ones.
    """

    @property
    def step(self) -> str:
        """`eta`, or `learning_rate`."""

    @property
    def own_step(self) -> float:
        """Its default."""

    @property
    def portfolio(self) -> Sequence[Params]:
        """The one that helps most first."""

    def patient_trials(self, train: Part, validation: Part, patience: int) -> Trials:
        """`Estimator.trials` that end after `patience` rounds without gain."""

    def average(self, part: Part, fits: Sequence[Fit]) -> Fitted:
        """One model that predicts by the weighted average of the fits' margins.

        The weights sum to 1. Raises `UsageError` where the library refuses the parameters.
        """
