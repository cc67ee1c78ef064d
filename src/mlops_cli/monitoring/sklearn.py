"""What monitoring learns with scikit-learn: to tell two samples apart, and where a model errs."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.tree import DecisionTreeRegressor
from threadpoolctl import ThreadpoolController

Numbers = NDArray[np.float64]

ROUNDS = 60
LEAVES = 15
SIZE = 20  # rows of a leaf, at the least
CATEGORIES = 255  # as many as the library takes


def tell_apart(
    values: Numbers, later: NDArray[np.bool_], categorical: NDArray[np.bool_]
) -> Callable[[Numbers], Numbers]:
    """Fit boosted trees that tell `later` rows from others; gives the score of any rows.

    `values` has shape (n, f), missing values being NaN; of the columns `categorical`, shape (f,),
    a value is a code from 0 to 254. The same rows give the same scores.
    """
    model = HistGradientBoostingClassifier(
        max_iter=ROUNDS,
        max_leaf_nodes=LEAVES,
        min_samples_leaf=min(SIZE, max(2, len(values) // 10)),
        l2_regularization=1.0,
        categorical_features=categorical if categorical.any() else None,
        early_stopping=False,
        random_state=0,
    )
    threads = ThreadpoolController()  # to look for the libraries takes as long as to score
    with threads.limit(limits=1):  # of fits so small, most of several threads' time is waiting
        model.fit(values, later)

    def score(rows: Numbers) -> Numbers:
        with threads.limit(limits=1):
            return np.asarray(model.decision_function(rows), dtype=np.float64)

    return score


Split = tuple[int, float, int, int, bool]


def split_by(values: Numbers, goal: Numbers, *, leaves: int, rows: int) -> list[Split]:
    """The nodes of a regression tree for `goal`, shape (n,), over `values`, shape (n, f).

    A node is (column, threshold, first, second, missing goes first); a leaf has the column -1. At
    most `leaves` leaves of at least `rows` rows.
    """
    tree = DecisionTreeRegressor(max_leaf_nodes=leaves, min_samples_leaf=rows, random_state=0)
    found = tree.fit(values.astype(np.float32), goal).tree_
    return [
        (max(int(f), -1), float(t), int(a), int(b), bool(m))
        for f, t, a, b, m in zip(
            found.feature,
            found.threshold,
            found.children_left,
            found.children_right,
            found.missing_go_to_left,
            strict=True,
        )
    ]
