"""Weights by which, in the rows that are fitted, the target does not depend on whom a row is of."""

from __future__ import annotations

from collections.abc import Sequence
from functools import reduce

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from mlops_cli.config.paths import FEATURES_TABLE
from mlops_cli.errors import DataError
from mlops_cli.evaluation.groups import Groups, crossed, groups_of

Weights = NDArray[np.float64]


def reweighed(
    table: pa.Table,
    columns: Sequence[str],
    target: NDArray[np.float64],
    fitted: NDArray[np.int64],
    weights: Weights | None = None,
) -> Weights:
    """How much each row counts, shape (n,), so that groups and classes are independent.

    A row of the group g and the class y counts P(g) P(y) / P(g, y) times what it counts already,
    shares being those of the `fitted` rows (Kamiran and Calders 2012, Data preprocessing techniques
    for classification without discrimination, section 4.2): in each group a class is then as
    frequent as in all, and the sum of weights stays. Several columns make groups together; those
    of few rows are pooled, as in `evaluation.groups`. A pair that no fitted row is of counts as it
    did. Raises `DataError` where the table lacks a column.
    """
    if missing := [name for name in columns if name not in table.column_names]:
        raise DataError(f"{FEATURES_TABLE} lacks the column {missing[0]}", hint="mlops featurize")
    groups = reduce(crossed, (groups_of(table[name]) for name in columns))
    own = np.ones(len(target)) if weights is None else weights
    return own * _factors(groups, target.astype(np.int64), own, fitted)


def _factors(
    groups: Groups, classes: NDArray[np.int64], own: Weights, fitted: NDArray[np.int64]
) -> Weights:
    count = int(classes.max()) + 1
    cells = groups.codes * count + classes
    size = len(groups.names) * count
    both = np.bincount(cells[fitted], own[fitted], size).reshape(-1, count)
    apart = both.sum(axis=1, keepdims=True) * both.sum(axis=0, keepdims=True) / both.sum()
    factors = np.divide(apart, both, out=np.ones_like(both), where=both > 0)
    return np.asarray(factors.ravel()[cells])
