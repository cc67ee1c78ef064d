"""Features by what each tells of the target by itself, beyond what chance would."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from sklearn.metrics.cluster import (
    contingency_matrix,
    expected_mutual_information,
    mutual_info_score,
)

from mlops_cli.training.base import Part, Problem
from mlops_cli.training.selection.base import Fit, Ranked

_BINS = 24  # of a number, of about as many rows each
_BITS = 1 / np.log(2)


def ranking(problem: Problem, part: Part, fit: Fit) -> list[Ranked]:
    """See `Ranking`: bits of mutual information, less what as many bins would tell by chance.

    Numbers are told by their bin, missing is one more; rows of no weight do not count. By bins
    rather than by neighbours (`mutual_info_classif`), which take no missing value, draw noise, and
    know of no chance: a column of names would tell most.
    """
    del fit
    counts = np.ones(len(part.target), bool) if part.weight is None else part.weight > 0
    target, matrix = part.target[counts], part.matrix[counts]
    said = _binned(target) if problem.task == "regression" else target.astype(np.int64)
    found = [
        Ranked(f.name, _information(said, _codes(matrix[:, i], category=f.kind == "category")))
        for i, f in enumerate(problem.features)
    ]
    return sorted(found, key=lambda ranked: -ranked.score)


def _information(target: NDArray[np.int64], codes: NDArray[np.int64]) -> float:
    table = contingency_matrix(target, codes, sparse=True)
    told = mutual_info_score(None, None, contingency=table)
    by_chance = expected_mutual_information(table, len(target))
    return float((told - by_chance) * _BITS)


def _codes(values: NDArray[np.float32], *, category: bool) -> NDArray[np.int64]:
    if not category:
        return _binned(values.astype(np.float64))
    return np.where(np.isnan(values), -1, np.nan_to_num(values)).astype(np.int64)


def _binned(values: NDArray[np.float64]) -> NDArray[np.int64]:
    present = values[np.isfinite(values)]
    if not len(present):
        return np.zeros(len(values), np.int64)
    distinct = np.unique(present)
    edges = distinct
    if len(distinct) > _BINS:
        edges = np.unique(np.quantile(present, np.arange(1, _BINS) / _BINS))
    places = np.searchsorted(edges, values, side="right")
    return np.where(np.isnan(values), len(edges) + 1, places).astype(np.int64)
