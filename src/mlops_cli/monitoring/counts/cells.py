"""Which cell of a histogram a value falls into: `numpy.searchsorted` by a grid, and sooner."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Numbers = NDArray[np.float64]

_GRID = 4096  # places over the edges' range; some ten times as many as there are edges
_TOLD = 2  # edges of one place that a comparison each tells apart


class Cells:
    """Ascending finite `edges`, and the search for the number of them below a value.

    A value's place on a grid is found by arithmetic. Rounding never turns the order of two values
    around, so edges at lower places are below it and edges at higher places are not: only those
    at its own place are compared. Binary search, whose every step is a guess for the processor,
    is left to places with many edges.
    """

    def __init__(self, edges: Numbers) -> None:
        self._edges = edges
        self._low = edges[0] if len(edges) else 0.0
        with np.errstate(over="ignore", divide="ignore"):
            scale = _GRID / np.float64(edges[-1] - self._low) if len(edges) else np.inf
        self._scale = scale if np.isfinite(scale) and scale > 0 else None
        if self._scale is None:
            return
        places = self._places(edges)
        first = np.searchsorted(places, np.arange(_GRID + 2))
        here = np.bincount(places, minlength=_GRID + 2)
        self._below = first
        padded = np.append(edges, [np.inf] * _TOLD)
        self._at = [np.where(here > i, padded[first + i], np.inf) for i in range(_TOLD)]
        self._many = here > _TOLD
        self._any_many = bool(self._many.any())

    def of(self, values: Numbers) -> NDArray[np.int64]:
        """The number of edges below each of the finite `values`, shape (n,)."""
        if self._scale is None:
            return np.searchsorted(self._edges, values, side="left")
        places = self._places(values)
        cells = self._below[places]
        for edge in self._at:
            cells += values > edge[places]
        if self._any_many:
            left = np.flatnonzero(self._many[places])
            cells[left] = np.searchsorted(self._edges, values[left], side="left")
        return cells

    def _places(self, values: Numbers) -> NDArray[np.int32]:
        """Places from 1 to the grid's size; 0 is below and the last one above the edges."""
        with np.errstate(over="ignore"):
            grid = (values - self._low) * self._scale
        return np.clip(np.floor(grid, out=grid), -1, _GRID, out=grid).astype(np.int32) + 1
