"""Features by how far each moves the answers of a booster, on rows that it had not seen."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from mlops_cli.training.base import Part, Problem
from mlops_cli.training.selection.base import Fit, Ranked, thirds
from mlops_cli.training.xgboost import XGBoost

_PARAMS = {"eta": 0.1, "max_depth": 5, "subsample": 0.8, "colsample_bynode": 0.5}
_ROUNDS = 100
_EXPLAINED = 2000  # rows


def ranking(problem: Problem, part: Part, fit: Fit) -> list[Ranked]:
    """See `Ranking`: mean size of exact TreeSHAP contributions; whatever the estimator is, of
    XGBoost's trees, fitted on two thirds of the rows and asked about the others.
    """
    del fit
    booster = XGBoost(replace(problem, fixed={}, threads=1))
    fitted, held = thirds(problem, part)
    model = booster.fit(fitted, _PARAMS, _ROUNDS)
    sizes = np.abs(model.contributions(held.matrix[:_EXPLAINED])).mean(axis=0)
    found = [Ranked(f.name, float(sizes[i])) for i, f in enumerate(problem.features)]
    return sorted(found, key=lambda ranked: -ranked.score)
