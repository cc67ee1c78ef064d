"""Features by recursive elimination: the least used is left out, again and again."""

from __future__ import annotations

from collections.abc import Sequence

from mlops_cli.errors import UsageError
from mlops_cli.training.base import Part, Problem
from mlops_cli.training.selection.base import Fit, Ranked, columns, narrowed

_SHARE = 5  # one in so many is left out at once


def ranking(problem: Problem, part: Part, fit: Fit) -> list[Ranked]:
    """See `Ranking`: by the project's own estimator (Guyon et al. 2002).

    scikit-learn's `RFE` knows an estimator by columns alone, and ours by the features behind them:
    which are categories, and which keep to a direction. Raises `UsageError` for an estimator that
    does not say how much it uses what.
    """
    left, out = [f.name for f in problem.features], list[Ranked]()
    while left:
        model = fit(narrowed(problem, left), columns(problem, part, left))
        shares = model.importance()
        used = [Ranked(name, shares[name]) for name in left]
        if not out:
            _check_told([shares[f.name] for f in problem.features if f.kind == "numeric"])
        used.sort(key=lambda one: one.score)
        least = used[: max(1, len(used) // _SHARE)]
        out += least
        left = [name for name in left if all(one.name != name for one in least)]
    return out[::-1]


def _check_told(shares: Sequence[float]) -> None:
    """An estimator that does not know gives every column the same."""
    if len(shares) > 1 and shares[0] > 0 and len(set(shares)) == 1:
        raise UsageError(
            "mlops.yaml: train.select.method is rfe, and this estimator does not say how much it "
            "uses each feature",
            hint="use mutual_information or shap",
        )
