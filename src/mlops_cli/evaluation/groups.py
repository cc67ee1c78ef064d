"""Rows in groups by what a column says of them; nothing is told of fewer than five rows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from mlops_cli.tables.disclosure import FEWEST

MOST = 20  # groups of a column, the largest ones
BANDS = 4  # that numbers are cut into, of about the same size each
VALUES = 12  # distinct numbers that are groups themselves
MISSING, OTHERS = "(missing)", "(others)"
AND = " & "


@dataclass(frozen=True, slots=True)
class Groups:
    """The groups by name, and for each row, shape (n,), the index of its own."""

    names: tuple[str, ...]
    codes: NDArray[np.int64]

    @property
    def sizes(self) -> NDArray[np.int64]:
        """How many rows each group has."""
        return np.bincount(self.codes, minlength=len(self.names))


def groups_of(column: pa.ChunkedArray) -> Groups:
    """A group for each value, or for each band of numbers that are many; missing is one, too.

    Beyond the most frequent ones, and of fewer than five rows, they are one group `OTHERS`; where
    that has fewer than five rows, the next smallest joins it.
    """
    kind = column.type
    if pa.types.is_integer(kind) or pa.types.is_floating(kind):
        column = _banded(column)
    texts = column.cast(pa.string()).fill_null(MISSING).combine_chunks()
    encoded = texts.dictionary_encode()
    return _pooled(encoded.dictionary.to_pylist(), encoded.indices.to_numpy().astype(np.int64))


def crossed(one: Groups, other: Groups) -> Groups:
    """The groups that two columns make together, named `A & B`, by the same rules."""
    wide = len(other.names)
    found, codes = np.unique(one.codes * wide + other.codes, return_inverse=True)
    names = [f"{one.names[i // wide]}{AND}{other.names[i % wide]}" for i in found.tolist()]
    return _pooled(names, codes.astype(np.int64))


def _pooled(names: Sequence[str], codes: NDArray[np.int64]) -> Groups:
    sizes = np.bincount(codes, minlength=len(names))
    order = sorted(range(len(names)), key=lambda i: (-sizes[i], names[i]))
    kept = [i for i in order[:MOST] if sizes[i] >= FEWEST]
    rest = len(codes) - int(sizes[kept].sum())
    while kept and 0 < rest < FEWEST:
        rest += int(sizes[kept.pop()])
    shown = sorted(kept, key=lambda i: names[i])
    told = [names[i] for i in shown] + ([OTHERS] if rest else [])
    place = np.full(len(names), len(shown), np.int64)
    place[shown] = np.arange(len(shown))
    return Groups(tuple(told), place[codes])


def _banded(column: pa.ChunkedArray) -> pa.ChunkedArray:
    """Numbers as texts: themselves where they are few, else the band between two quartiles."""
    if len(pc.unique(column.drop_null())) <= VALUES:
        return pc.cast(column, pa.string())
    values = np.asarray(column.cast(pa.float64()).fill_null(np.nan).to_numpy(), np.float64)
    known = ~np.isnan(values)
    edges = np.unique(np.quantile(values[known], np.arange(1, BANDS) / BANDS))
    labels = [f"below {edges[0]:g}"]
    labels += [f"{a:g} to {b:g}" for a, b in pairwise(edges)]
    labels += [f"from {edges[-1]:g}"]
    places = np.searchsorted(edges, values, side="right")
    named = np.array(labels)[np.minimum(places, len(edges))]
    return pa.chunked_array([pa.array(named, mask=~known)])
