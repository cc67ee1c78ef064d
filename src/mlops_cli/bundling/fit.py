"""The final model: one fit, or the average of several as one model."""

from __future__ import annotations

from mlops_cli.config.sections.train import AUTO
from mlops_cli.training import open_estimator
from mlops_cli.training.base import Averaging, Estimator, Fit, Fitted, Part, Problem
from mlops_cli.training.mixture import Mixture
from mlops_cli.tuning.base import Best


def estimator_of(name: str, problem: Problem, best: Best) -> Estimator:
    """What fits the final model: of `auto` the estimator of the members, or a mixture of several.

    Raises what `open_estimator` raises.
    """
    if name != AUTO:
        return open_estimator(name, problem)
    opened = {
        name: open_estimator(name, problem)
        for name in dict.fromkeys(member.estimator for member in best.members)
    }
    return next(iter(opened.values())) if len(opened) == 1 else Mixture(problem.task, opened)


def fitted_of(estimator: Estimator, part: Part, best: Best) -> Fitted:
    """What `tune/best.json` says is to be fitted, fitted on `part`.

    Raises `UsageError` where the library refuses the parameters.
    """
    fits = [Fit(m.params, m.rounds or 1, m.seed, m.weight, m.estimator) for m in best.members]
    if fits and isinstance(estimator, Averaging):
        return estimator.average(part, fits)
    return estimator.fit(part, best.params, best.rounds)
