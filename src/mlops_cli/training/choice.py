"""Which average is taken: of one estimator, or of several where that is surely better."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mlops_cli.bundle.manifest import Task
from mlops_cli.training.greedy import greedy_weights
from mlops_cli.training.round_loss import round_loss, row_losses

Array = NDArray[np.float64]
_SURE = 1.96  # standard errors: 95 %


@dataclass(frozen=True, slots=True)
class Unseen:
    """What m tries say of n rows that they have not seen.

    `margins` are of shape (n,), of several classes (n, k); `folds` and `rows`, the rows' weights,
    of shape (n,); `costs`, of shape (m,), are rounds, of which an average has at most `most`.
    """

    task: Task
    target: Array
    margins: Sequence[Array]
    folds: NDArray[np.int64]
    costs: Array
    most: int
    rows: Array | None = None

    def average(self, weights: Array) -> Array:
        """The average of the margins by `weights`, shape (m,)."""
        pairs = zip(weights, self.margins, strict=True)
        found: Array = np.sum([w * each for w, each in pairs if w], axis=0)
        return found

    def weights(self, among: Sequence[int], at: NDArray[np.bool_] | None = None) -> Array:
        """Greedy weights of the tries in `among`, shape (m,), by the rows `at` (None: all)."""
        mask = np.ones(len(self.target), dtype=np.bool_) if at is None else at
        found = np.zeros(len(self.margins))
        found[list(among)] = greedy_weights(
            self.task,
            self.target[mask],
            [self.margins[i][mask] for i in among],
            costs=self.costs[list(among)].tolist(),
            most=self.most,
            rows=None if self.rows is None else self.rows[mask],
        )
        return found

    def loss(self, weights: Array) -> float:
        """What the average of these weights loses."""
        return round_loss(self.task, self.target, self.average(weights), self.rows)

    def losses(self, among: Sequence[int]) -> Array:
        """What an average of `among` loses on each row, with weights from the other folds' rows."""
        found = np.empty(len(self.target))
        for fold in np.unique(self.folds):
            held = self.folds == fold
            margins = self.average(self.weights(among, ~held))[held]
            found[held] = row_losses(self.task, self.target[held], margins)
        return found


def chosen(unseen: Unseen, names: Sequence[str]) -> Array:
    """The weights of the average that is taken, shape (m,); `names` are the tries' estimators.

    Of one estimator, the greedy average of its tries. Of several, that of the one which loses
    least by itself, but for where the average over all loses less on rows that had no part in its
    weights, by more than 1.96 standard errors of the rows' differences.
    """
    by_name = {name: [i for i, one in enumerate(names) if one == name] for name in names}
    alone = [(unseen.weights(among), among) for among in by_name.values()]
    weights, among = min(alone, key=lambda one: unseen.loss(one[0]))
    everyone = range(len(names))
    if len(by_name) == 1 or not _surely_less(unseen, everyone, among):
        return weights
    return unseen.weights(everyone)


def _surely_less(unseen: Unseen, those: Sequence[int], these: Sequence[int]) -> bool:
    apart = unseen.losses(those) - unseen.losses(these)
    share = np.full(len(apart), 1 / len(apart))
    if unseen.rows is not None:
        share = unseen.rows / unseen.rows.sum()
    mean = float(share @ apart)
    error = float(np.sqrt(np.sum((share * (apart - mean)) ** 2)))
    return mean + _SURE * error < 0
