"""The final model: one fit, or the average of several as one model."""

from __future__ import annotations

from mlops_cli.training.base import Averaging, Estimator, Fit, Fitted, Part
from mlops_cli.tuning.base import Best


def fitted_of(estimator: Estimator, part: Part, best: Best) -> Fitted:
    """What `tune/best.json` says is to be fitted, fitted on `part`.

    Raises `UsageError` where the library refuses the parameters.
    """
    if len(best.members) > 1 and isinstance(estimator, Averaging):
        fits = [Fit(m.params, m.rounds or 1, m.seed, m.weight) for m in best.members]
        return estimator.average(part, fits)
    return estimator.fit(part, best.params, best.rounds)
