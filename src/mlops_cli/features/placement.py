"""Which task gets which rows: by cells of keys, and by time within a cell that is too large."""

from __future__ import annotations

import heapq
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

CELLS = 1024
"""Into how many cells keys are hashed: tasks are made of whole cells."""

Numbers = NDArray[np.int64]
_NONE: Numbers = np.empty(0, dtype=np.int64)


@dataclass(frozen=True, slots=True)
class Placement:
    """The task of each cell, and of a cell that is split the moments between its tasks.

    `tasks` has a number a cell, the first of its tasks; `cuts` those moments, ascending, in
    microseconds: a row whose moment is a cut belongs behind it. A split cell has its tasks to
    itself, one more than cuts, numbered on.
    """

    tasks: Numbers
    cuts: Mapping[int, Numbers]

    def of(self, cells: Numbers, moments: Numbers) -> Numbers:
        """The task of each of n rows."""
        found = self.tasks[cells]
        for cell, cuts in self.cuts.items():
            here = cells == cell
            found[here] += np.searchsorted(cuts, moments[here], side="right")
        return found


def place(weights: Numbers, *, most: int, slots: int, moments: Mapping[int, Numbers]) -> Placement:
    """Cells to tasks of about the same weight, at most `most` where that can be.

    `weights` are the rows of each cell. A cell that has more than `most` by itself is split by
    time, at quantiles of the `moments` that were drawn of it. The largest cells are placed first,
    each into the lightest task (Graham 1969, SIAM J. Appl. Math. 17).
    """
    split = {
        int(cell): cuts
        for cell in np.flatnonzero(weights > most)
        if len(cuts := _cuts(int(weights[cell]), most, moments.get(int(cell), _NONE)))
    }
    whole = [int(c) for c in np.argsort(-weights, kind="stable") if int(c) not in split]
    total = int(weights[whole].sum())
    count = max(-(-total // most), min(slots, -(-total // 10_000)), 1)
    lightest = [(0, task) for task in range(count)]
    tasks = np.zeros(len(weights), dtype=np.int64)
    for cell in whole:
        weight, task = heapq.heappop(lightest)
        tasks[cell] = task
        heapq.heappush(lightest, (weight + int(weights[cell]), task))
    for cell, cuts in split.items():
        tasks[cell] = count
        count += len(cuts) + 1
    return Placement(tasks, split)


def _cuts(weight: int, most: int, moments: Numbers) -> Numbers:
    """Moments that part the drawn ones into equal shares, fewer where they are the same."""
    shares = -(-weight // most)
    if not len(moments):
        return _NONE
    at = np.arange(1, shares) * len(moments) // shares
    return np.unique(np.sort(moments)[at]).astype(np.int64)


def order_cuts(moments: Numbers, rows: int, *, most: int, slots: int) -> Numbers:
    """Moments that part `rows` rows, of which some were drawn, into runs of about the same size."""
    shares = max(-(-rows // most), min(slots, -(-rows // 10_000)), 1)
    drawn = np.sort(moments)
    if not len(drawn):
        return _NONE
    return np.unique(drawn[np.arange(1, shares) * len(drawn) // shares])
