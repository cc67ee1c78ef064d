"""What a search is asked to make best: an estimator's trials, judged by a part or by folds."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mlops_cli.bundle.manifest import Task
from mlops_cli.evaluation.metrics import metrics_of
from mlops_cli.training.base import Estimator, Part, TrialFit, Trials
from mlops_cli.training.folded import FoldedTrials
from mlops_cli.tuning.base import Check, Objective, Outcome, Params
from mlops_cli.tuning.oof import Leaders


@dataclass(frozen=True, slots=True)
class Judging:
    """A part to fit on and one to judge by, and the estimator of their features."""

    estimator: Estimator
    train: Part
    validation: Part

    def trials(self) -> Trials:
        """See `Estimator.trials`."""
        return self.estimator.trials(self.train, self.validation)


def objective_of(
    task: Task, judging: Sequence[Judging], rounds: int, leaders: Leaders | None = None
) -> Objective:
    """Trials of at most `rounds` rounds; several parts to judge by are folds.

    A trial that is over is told to `leaders`.
    """
    trials: Trials
    if len(judging) > 1:
        trials = FoldedTrials([fold.trials() for fold in judging], rounds)
    else:
        trials = judging[0].trials()
    targets = [fold.validation.target for fold in judging]
    return lambda params: _Fit(task, targets, trials.start(params), params, rounds, leaders)


@dataclass(frozen=True, slots=True)
class _Fit:
    """`tuning.Fit` by the estimator's `TrialFit`; `targets` are those of each fold.

    A trial that is over is told to `leaders` with its parameters.
    """

    task: Task
    targets: Sequence[NDArray[np.float64]]
    fit: TrialFit
    params: Params
    rounds: int
    leaders: Leaders | None

    def advance(self, rounds: int, check: Check) -> Outcome:
        """See `tuning.base.Fit.advance`."""
        tried = self.fit.advance(rounds, check)
        if self.leaders is not None and (tried.ended or rounds >= self.rounds):
            self.leaders.saw(self.params, tried.score, tried.predict())
        return Outcome(
            score=tried.score,
            rounds=tried.rounds,
            ran=tried.ran,
            ended=tried.ended,
            metrics=lambda: _mean_metrics(self.task, self.targets, tried.predict()),
        )


def _mean_metrics(
    task: Task, targets: Sequence[NDArray[np.float64]], predictions: NDArray[np.float64]
) -> dict[str, float]:
    """The mean over folds of each metric that all of them have."""
    ends_at = np.cumsum([len(target) for target in targets])
    parts = np.split(predictions, ends_at[:-1])
    found = [metrics_of(task, *pair) for pair in zip(targets, parts, strict=True)]
    names = [name for name in found[0] if all(name in one for one in found)]
    return {name: float(np.mean([one[name] for one in found])) for name in names}
