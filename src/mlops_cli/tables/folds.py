"""Folds of the rows that a model is fitted on: what is learned from, and what it is judged by."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from mlops_cli.errors import DataError
from mlops_cli.tables.split import MINIMUM, Draw, Keys, Rows, drawn, drawn_groups, gap_before

FIRST = 0.5  # of the rows by time, those that are only learned from


@dataclass(frozen=True, slots=True)
class Fold:
    """Two parts as ascending row positions, which have no row in common."""

    train: Rows
    validation: Rows


def folds(draw: Draw, keys: Keys, rows: Rows, count: int, *, repeats: int = 1) -> tuple[Fold, ...]:
    """`count` folds of the `rows`, ascending positions of the table that `keys` describe.

    `rows` are those that the final model is fitted on (`Split.fitted`), so that no fold holds a
    row of the hold-out. Each is in one validation part, its fold drawn by the seed and its number:
    `stratified` within its class, `group` with its whole group, folds about equally large. A class
    of a single row is never judged by, which could be learned nowhere else. By `time`, folds go
    forward: the later half of the rows is cut into `count` blocks, no block begins amid rows of
    one moment, and what is learned from are all rows that come `draw.gap` or more before the block.
    `repeats` draws as many times anew (not by time). Raises `DataError` for more folds than there
    are rows, groups or moments for.
    """
    if draw.by == "time":
        return _forward(draw, keys.at(rows), rows, count)
    made: list[Fold] = []
    for repeat in range(repeats):
        codes = _codes(draw, keys.at(rows), count, repeat)
        made += [Fold(rows[codes != k], rows[codes == k]) for k in range(count)]
    if min(len(fold.validation) for fold in made) < MINIMUM:
        raise _too_many(count, f"{len(rows)} rows")
    return tuple(made)


def _codes(draw: Draw, keys: Keys, count: int, repeat: int) -> Rows:
    """The fold of each row, shape (n,); -1: of none."""
    seed = (draw.seed, 1 + repeat)  # another draw than the split's own
    if draw.by == "group" and keys.groups is not None:
        return _by_group(keys.groups, keys.numbers, seed, count)
    order = drawn(keys.numbers, seed)
    codes = np.empty(len(order), dtype=np.int64)
    if draw.by != "stratified" or keys.target is None:
        codes[order] = np.arange(len(order)) * count // len(order)
        return codes
    _, classes, sizes = np.unique(keys.target, return_inverse=True, return_counts=True)
    by_class = order[np.argsort(classes[order], kind="stable")]
    codes[by_class] = np.arange(len(order)) % count  # goes on from class to class: equal sizes
    codes[sizes[classes] == 1] = -1
    return codes


def _by_group(groups: Rows, numbers: Rows, seed: tuple[int, int], count: int) -> Rows:
    """The largest groups first, those about as large as drawn, each to the fold of fewest rows."""
    placed, sizes = drawn_groups(groups, numbers, seed)
    if len(sizes) < count:
        raise _too_many(count, f"{len(sizes)} groups")
    fold_of = np.empty(len(sizes), dtype=np.int64)
    filled = np.zeros(count, dtype=np.int64)
    for place in np.argsort(-np.floor(np.log2(sizes)), kind="stable"):
        fold_of[place] = filled.argmin()
        filled[fold_of[place]] += sizes[place]
    return fold_of[placed]


def _forward(draw: Draw, keys: Keys, rows: Rows, count: int) -> tuple[Fold, ...]:
    n = len(rows)
    moments = keys.moments if keys.moments is not None else np.arange(n)
    first = int(n * FIRST)
    wanted = first + np.arange(count) * (n - first) // count
    starts = [_start(moments, int(at)) for at in wanted]
    if len(set(starts)) < count:
        raise _too_many(count, f"{len(np.unique(moments[first:]))} moments in the later half")
    made = []
    for start, end in zip(starts, [*starts[1:], n], strict=True):
        known = gap_before(moments, start, draw.gap if keys.moments is not None else 0)
        if known < MINIMUM or end - start < MINIMUM:
            raise _too_many(
                count, f"{n} rows" + (", of which split.gap leaves too few" if draw.gap else "")
            )
        made.append(Fold(rows[:known], rows[start:end]))
    return tuple(made)


def _start(moments: Rows, at: int) -> int:
    """The nearest change of the moment to the position `at` that leaves rows on both sides."""
    sides = [int(np.searchsorted(moments, moments[at], side)) for side in ("left", "right")]
    return min((s for s in sides if 0 < s < len(moments)), key=lambda s: abs(s - at), default=at)


def _too_many(count: int, what: str) -> DataError:
    return DataError(
        f"{what} cannot make {count} folds",
        hint="give split.folds a smaller number, or bring more rows",
    )
