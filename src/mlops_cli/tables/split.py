"""Which rows a model is fitted on, which choose its parameters, and which judge it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from mlops_cli.errors import DataError

Rows = NDArray[np.int64]
By = Literal["time", "stratified", "random", "group"]
MINIMUM = 2  # rows that a part must have


@dataclass(frozen=True, slots=True)
class Draw:
    """How rows are split: shares of the whole, and by what.

    `gap`, in microseconds, is how long before a part by time the rows are left out that come
    before it.
    """

    by: By
    validation: float
    holdout: float
    seed: int
    gap: int = 0


@dataclass(frozen=True, slots=True)
class Keys:
    """What rows are split by, each of shape (n,), or None where nothing asks for it.

    `numbers` are the source rows' numbers, `moments` their times in microseconds (ascending),
    `groups` numbers of what stays together.
    """

    numbers: Rows
    target: NDArray[np.generic] | None = None
    moments: NDArray[np.int64] | None = None
    groups: Rows | None = None

    def at(self, rows: Rows) -> Keys:
        """Those of the rows at ascending positions."""
        return Keys(
            self.numbers[rows],
            None if self.target is None else self.target[rows],
            None if self.moments is None else self.moments[rows],
            None if self.groups is None else self.groups[rows],
        )


_NONE: Rows = np.empty(0, dtype=np.int64)


@dataclass(frozen=True, slots=True)
class Split:
    """Three parts as ascending row positions; with `between` and `left_out`, every row once.

    Of a split by time with a gap, `between` are rows after the training part that the search does
    not use and the final model is fitted on; `left_out` are those before the hold-out, which
    nothing uses.
    """

    train: Rows
    validation: Rows
    holdout: Rows
    between: Rows = field(default_factory=_NONE.copy)
    left_out: Rows = field(default_factory=_NONE.copy)

    @property
    def fitted(self) -> Rows:
        """The rows that the final model is fitted on: training and validation, ascending."""
        return np.sort(np.concatenate([self.train, self.between, self.validation]))


def split(draw: Draw, keys: Keys) -> Split:
    """Split rows into three parts.

    `time` takes the rows in their order, the oldest for training and the newest for the
    hold-out, and no part begins amid rows of one moment where that leaves no part empty; `random`
    takes them in an order that the seed draws; `stratified` does so within each class of the
    target, so that every part has each class's share, and training at least one row of each as far
    as there are rows to trade; `group` takes whole groups in such an order, so that shares are as
    near as whole groups come. A row's place in the draw follows from the seed and its number (a
    group's: from its first row's): rows that are added later, or left out, move hardly any other
    row to another part. Part sizes are `round(n * share)`, the training part takes what is left.
    Raises `DataError` where a part has fewer than two rows, or no group.
    """
    n = len(keys.numbers)
    sizes = (round(n * draw.validation), round(n * draw.holdout))
    left = n - sum(sizes)
    if min(left, *sizes) < MINIMUM:
        raise DataError(
            f"{n} rows make a training part of {left}, a validation part of {sizes[0]} and a "
            f"hold-out of {sizes[1]}: each needs at least {MINIMUM}",
            hint="bring more rows, or give split.validation and split.holdout other shares",
        )
    if draw.by == "time":
        return _by_time(draw, keys, left, left + sizes[0])
    if draw.by == "group":
        return _by_group(draw, keys, left, left + sizes[0])
    order = drawn(keys.numbers, draw.seed)
    if draw.by == "stratified":
        order = _spread(order, _needed(keys.target, "target")[order], sizes)
    return _cut(order, left, left + sizes[0])


def drawn(numbers: Rows, seed: int | tuple[int, ...]) -> Rows:
    """Positions in the order that `seed` draws by the source rows' `numbers`."""
    places = np.random.default_rng(seed).random(int(numbers.max()) + 1)[numbers]
    return np.argsort(places, kind="stable")


def drawn_groups(groups: Rows, numbers: Rows, seed: int | tuple[int, ...]) -> tuple[Rows, Rows]:
    """Each row's group by its place in the draw, shape (n,), and how many rows each place has.

    A group's place is that of its first row.
    """
    first, codes = np.unique(first_rows(groups, numbers), return_inverse=True)
    places = np.empty(len(first), dtype=np.int64)
    places[drawn(first, seed)] = np.arange(len(first))
    placed = places[codes]
    return placed, np.bincount(placed)


def first_rows(groups: Rows, numbers: Rows) -> Rows:
    """The least of the `numbers` of each row's group, shape (n,): a name for the group."""
    _, codes = np.unique(groups, return_inverse=True)
    first = np.full(int(codes.max()) + 1, numbers.max(), dtype=np.int64)
    np.minimum.at(first, codes, numbers)
    return first[codes]


def _needed(found: NDArray[np.generic] | None, what: str) -> NDArray[np.generic]:
    if found is None:
        raise ValueError(f"this split needs the {what}")
    return found


def _by_time(draw: Draw, keys: Keys, a: int, b: int) -> Split:
    if keys.moments is None:
        return _cut(np.arange(len(keys.numbers)), a, b)
    a, b = _between(keys.moments, a, b)
    last, end = (gap_before(keys.moments, at, draw.gap) for at in (a, b))
    if last < MINIMUM or end - a < MINIMUM:
        part = "training" if last < MINIMUM else "validation"
        raise DataError(
            f"split.gap leaves out every row of the {part} part: it is longer than that part",
            hint="give split.gap a shorter time, or bring more of it",
        )
    rows = np.arange(len(keys.numbers))
    return Split(rows[:last], rows[a:end], rows[b:], between=rows[last:a], left_out=rows[end:b])


def gap_before(moments: NDArray[np.int64], at: int, gap: int) -> int:
    """How many rows come a `gap` (microseconds) or more before the row at position `at`."""
    return int(np.searchsorted(moments[:at], moments[at] - gap, "right")) if gap else at


def _by_group(draw: Draw, keys: Keys, a: int, b: int) -> Split:
    groups = _needed(keys.groups, "groups").astype(np.int64)
    placed, sizes = drawn_groups(groups, keys.numbers, draw.seed)
    if len(sizes) < 3:
        raise DataError(
            f"split.key tells {len(sizes)} groups apart, and three parts need at least 3",
            hint="name a column with more values under split.key, or set another split.by",
        )
    ends = np.cumsum(sizes)
    # The cut nearest to the share, with a group at least on each side of it.
    first = 1 + int(np.abs(ends[:-2] - a).argmin())
    second = first + 1 + int(np.abs(ends[first:-1] - b).argmin())
    parts = (placed < first, (placed >= first) & (placed < second), placed >= second)
    return Split(*(np.flatnonzero(part) for part in parts))


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
