"""Shapley values of a model that is only asked.

A feature's is what it adds, on average over all orders in which features change one after another
from a reference row's values to the row's own (Shapley 1953; against one reference row:
Sundararajan and Najmi 2020).
"""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import cached_property

import numpy as np
import numpy.typing as npt

from mlops_cli.bundle.manifest import Task
from mlops_cli.serving.contributions import Explanation
from mlops_cli.serving.models import Matrix, Model, Raw
from mlops_cli.serving.requests import RequestError

EXACT = 10  # features that differ from the reference, up to which every subset is asked
ASKED = 2048  # rows that the model predicts for one explanation where not every subset is asked
FEWEST = 8  # pairs of orders, however many features there are
WIDEST = 1000  # features of a model: one of more would take seconds a row, and much memory
_ADDITIVE = 1e-6  # of the margin and of 1: what rounding may leave of a sum


class ShapleyExplainer:
    """Shapley values of any model against one reference row.

    Where the margin is a sum of one part a feature on every one of `probes` (linear models, naive
    Bayes), that sum is the explanation, and exact. Elsewhere the answer itself is explained: by all
    subsets of up to `EXACT` features that differ from the reference, by pairs of opposite orders
    beyond; each order adds up whatever its number, and the same row draws the same orders.
    """

    def __init__(self, model: Model, task: Task, reference: Raw, probes: Matrix) -> None:
        self._model = model
        self._task = task
        self._reference = reference.astype(np.float32)
        self._probes = probes

    def explain(self, matrix: Matrix) -> list[Explanation]:
        """See `Explainer.explain`; raises `RequestError` (422) for a model that is too wide."""
        if matrix.shape[1] > WIDEST:
            raise RequestError(
                422,
                f"the model has {matrix.shape[1]} features: of one whose library does not explain "
                f"itself, at most {WIDEST} are explained",
            )
        return [self._one(row) for row in matrix]

    def _one(self, row: Matrix) -> Explanation:
        same = (row == self._reference) | (np.isnan(row) & np.isnan(self._reference))
        moved = np.flatnonzero(~same)
        if self._additive:
            found = self._sum(row, moved, self._margins)
            with np.errstate(invalid="ignore"):  # infinite, where a probability is 0 or 1
                base = self._margins(row[None])[0] - found.parts.sum(axis=0)
            if np.isfinite(found.parts).all() and np.isfinite(base).all():
                return Explanation(found.parts, base, found.space)
        return self._shapley(row, moved)

    @cached_property
    def _additive(self) -> bool:
        judged = False
        for row in self._probes:
            total = self._margins(np.stack([self._reference, row]))
            found = self._sum(row, np.arange(len(row)), self._margins)
            if np.isfinite(total).all() and np.isfinite(found.parts).all():
                off = np.abs(found.base + found.parts.sum(axis=0) - total[1])
                if (off > _ADDITIVE * (1 + np.abs(total).max(axis=0))).any():
                    return False
                judged = True
        return judged

    def _sum(
        self, row: Matrix, moved: npt.NDArray[np.intp], value: Callable[[Matrix], Raw]
    ) -> Explanation:
        masks = np.eye(len(row), dtype=bool)[moved]
        values = value(self._mixed(row, np.vstack([np.zeros((1, len(row)), bool), masks])))
        parts = np.zeros((len(row), values.shape[1]))
        with np.errstate(invalid="ignore"):  # infinite, where a probability is 0 or 1
            parts[moved] = values[1:] - values[0]
        return Explanation(parts, values[0], "value" if self._task == "regression" else "margin")

    def _shapley(self, row: Matrix, moved: npt.NDArray[np.intp]) -> Explanation:
        def value(subsets: npt.NDArray[np.bool_]) -> Raw:
            masks = np.zeros((len(subsets), len(row)), bool)
            masks[:, moved] = subsets
            return self._values(self._mixed(row, masks))

        found, base, error = (_all_subsets if len(moved) <= EXACT else _orders)(value, len(moved))
        parts = np.zeros((len(row), len(base)))
        parts[moved] = found
        return Explanation(parts, base, "value", error)

    def _mixed(self, row: Matrix, masks: npt.NDArray[np.bool_]) -> Matrix:
        return np.where(masks, row, self._reference)

    def _values(self, matrix: Matrix) -> Raw:
        raw = self._model.predict(matrix)
        return raw.reshape(len(matrix), -1)

    def _margins(self, matrix: Matrix) -> Raw:
        raw = self._values(matrix)
        if self._task == "regression":
            return raw
        with np.errstate(divide="ignore", invalid="ignore"):
            if self._task == "binary":
                return np.asarray(np.log(raw) - np.log1p(-raw))
            logs = np.log(raw)
            return np.asarray(logs - logs.mean(axis=1, keepdims=True))


Subsets = Callable[[npt.NDArray[np.bool_]], Raw]


def _all_subsets(value: Subsets, n: int) -> tuple[Raw, Raw, None]:
    """Shapley values of n players by their formula, over all 2^n subsets."""
    numbers = np.arange(2**n)
    subsets = (numbers[:, None] >> np.arange(n)) & 1
    values, sizes = value(subsets.astype(bool)), subsets.sum(axis=1)
    parts = np.zeros((n, values.shape[1]))
    for i in range(n):
        without = numbers[subsets[:, i] == 0]
        weights = [1 / (n * math.comb(n - 1, size)) for size in sizes[without].tolist()]
        parts[i] = weights @ (values[without | 1 << i] - values[without])
    return parts, values[0], None


def _orders(value: Subsets, n: int) -> tuple[Raw, Raw, float]:
    """Estimated from pairs of an order and its opposite; the third is the standard error."""
    random = np.random.default_rng(0)
    pairs = max(FEWEST, ASKED // (2 * n))
    orders = [o for _ in range(pairs) for one in [random.permutation(n)] for o in (one, one[::-1])]
    steps = np.tri(n + 1, n, -1, dtype=bool)  # row j: the first j of an order
    places = np.argsort(orders, axis=1)  # of each player in each order
    values = value(steps[:, places].transpose(1, 0, 2).reshape(-1, n))
    values = values.reshape(len(orders), n + 1, -1)
    gains = np.take_along_axis(np.diff(values, axis=1), places[:, :, None], axis=1)
    means = gains.reshape(pairs, 2, n, -1).mean(axis=1)
    error = means.std(axis=0, ddof=1).max() / math.sqrt(pairs)
    return means.mean(axis=0), values[0, 0], float(error)
