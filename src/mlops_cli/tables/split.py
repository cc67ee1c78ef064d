"""Which rows a model is fitted on, which choose its parameters, and which judge it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from mlops_cli.errors import DataError

Rows = NDArray[np.int64]
By = Literal["time", "stratified", "random"]
MINIMUM = 2  # rows that a part must have


@dataclass(frozen=True, slots=True)
class Split:
    """Three parts as ascending row positions; together they are every row, each once."""

    train: Rows
    validation: Rows
    holdout: Rows

    @property
    def fitted(self) -> Rows:
        """The rows that the final model is fitted on: training and validation, ascending."""
        return np.sort(np.concatenate([self.train, self.validation]))


def split(
    by: By,
    validation: float,
    holdout: float,
    *,
    seed: int,
    numbers: Rows,
    target: NDArray[np.generic] | None = None,
    moments: NDArray[np.generic] | None = None,
) -> Split:
    """Split the rows of the source row numbers `numbers`, shape (n,), by shares of the whole.

    `time` takes the rows in their order, the oldest for training and the newest for the
    hold-out, and no part begins amid rows of one of the `moments` (shape (n,), ascending) where
    that leaves no part empty; `random` takes them in an order that `seed` draws; `stratified` does
    so within each class of `target` (shape (n,)), so that every part has each class's share, and
    training at least one row of each as far as there are rows to trade. A row's place in the draw
    follows from `seed` and its number: rows that are added later, or left out, move hardly any
    other row to another part. Part sizes are `round(n * share)`, the training part takes what is
    left. Raises `DataError` where a part has fewer than two rows.
    """
    n = len(numbers)
    sizes = (round(n * validation), round(n * holdout))
    left = n - sum(sizes)
    if min(left, *sizes) < MINIMUM:
        raise DataError(
            f"{n} rows make a training part of {left}, a validation part of {sizes[0]} and a "
            f"hold-out of {sizes[1]}: each needs at least {MINIMUM}",
            hint="bring more rows, or give split.validation and split.holdout other shares",
        )
    if by == "time":
        a, b = left, left + sizes[0]
        return _cut(np.arange(n), *((a, b) if moments is None else _between(moments, a, b)))
    order = np.argsort(
        np.random.default_rng(seed).random(int(numbers.max()) + 1)[numbers], kind="stable"
    )
    if by == "stratified":
        if target is None:
            raise ValueError("a stratified split needs the target")
        order = _spread(order, target[order], sizes)
    return _cut(order, left, left + sizes[0])


def _cut(order: Rows, a: int, b: int) -> Split:
    return Split(np.sort(order[:a]), np.sort(order[a:b]), np.sort(order[b:]))


def _between(moments: NDArray[np.generic], a: int, b: int) -> tuple[int, int]:
    """The cuts `a` and `b`, each moved to the nearest change of the moment that can be had."""
    a = _nearest(moments, a, MINIMUM, b - MINIMUM)
    return a, _nearest(moments, b, a + MINIMUM, len(moments) - MINIMUM)


def _nearest(moments: NDArray[np.generic], cut: int, least: int, most: int) -> int:
    sides = [int(np.searchsorted(moments, moments[cut], side)) for side in ("left", "right")]
    return min((s for s in sides if least <= s <= most), key=lambda s: abs(s - cut), default=cut)


def _spread(order: Rows, target: NDArray[np.generic], sizes: tuple[int, int]) -> Rows:
    """Reorder drawn rows so that parts cut off by size each hold every class's share.

    `target` is in the order of `order`. Within a class the first rows go to the hold-out, the next
    to validation; shares are rounded cumulatively over the classes, so that sizes come out exactly.
    """
    n = len(order)
    classes, codes = np.unique(target, return_inverse=True)
    grouped = np.argsort(codes, kind="stable")
    parts = np.zeros(n, dtype=np.int64)
    start = 0
    for size in np.bincount(codes, minlength=len(classes)).tolist():
        ends = start + size
        for part, share in ((2, sizes[1] / n), (1, sizes[0] / n)):
            take = round(ends * share) - round(start * share)
            free = np.flatnonzero(parts[start:ends] == 0)[:take]
            parts[start + free] = part
        start = ends
    _train_every_class(codes[grouped], parts)
    return order[grouped[np.argsort(parts, kind="stable")]]


def _train_every_class(codes: Rows, parts: Rows) -> None:
    """Trade the first row of a class that training has none of for one of its largest class.

    A class of one row could be learned in no other part; the parts keep their sizes. `codes` and
    `parts` (shape (n,)) are changed together; where training has nothing to spare, nothing is.
    """
    trained = np.bincount(codes[parts == 0], minlength=int(codes.max()) + 1)
    for code in np.flatnonzero(trained == 0):
        largest = int(trained.argmax())
        if trained[largest] < MINIMUM:
            return
        row = np.flatnonzero(codes == code)[0]
        spare = np.flatnonzero((codes == largest) & (parts == 0))[-1]
        parts[spare], parts[row] = parts[row], 0
        trained[largest] -= 1
        trained[code] += 1
