"""Two models of one truth, whose errors are known."""

from __future__ import annotations

import numpy as np

from mlops_cli.evaluation.holdout import scores_of
from mlops_cli.evaluation.paired import Scores


def rmse(y: np.ndarray, p: np.ndarray) -> float:
    return float(np.sqrt(np.mean((y - p) ** 2)))


def pair(rng: np.random.Generator, rows: int, worse: float = 1.0) -> Scores:
    """Two models of one truth, that err independently, the candidate `worse` times as much."""
    y = rng.normal(size=rows)
    shared = rng.normal(size=rows)
    candidate = y + worse * (shared + 0.5 * rng.normal(size=rows))
    champion = y + shared + 0.5 * rng.normal(size=rows)
    return scores_of((rmse, rmse), y, (candidate, champion), classes=0)
