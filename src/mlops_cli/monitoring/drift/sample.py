"""Rows to draw: a bounded sample of the current ones, and some that look like the profile."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from mlops_cli.bundle.profile import (
    Bins,
    Categories,
    ColumnProfile,
    OpenBins,
    Profile,
    Values,
)
from mlops_cli.monitoring.counts.columns import doubles

OTHER = "(other)"


class Sample:
    """A uniform random sample of at most `size` rows of a stream; the same for the same stream.

    Streams whose samples are to be merged have a `seed` each.
    """

    def __init__(self, profile: Profile, size: int, seed: int = 0) -> None:
        self._columns = profile.columns
        self._size = size
        self._random = np.random.default_rng(seed)
        self._keys = np.empty(0)
        self._rows: pa.Table | None = None

    def through(self, batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        """Pass the batches on, keeping of each what the sample takes."""
        for batch in batches:
            self._take(batch)
            yield batch

    def merge(self, later: Sample) -> None:
        """Sample the rows of another sample's stream, too."""
        if later._rows is not None:
            self._keep(later._keys, later._rows)

    def table(self) -> pa.Table:
        """The sample: doubles and texts under the profile's names.

        Missing is null, and so are infinities. Texts that the profile does not list are one,
        "(other)".
        """
        if self._rows is None:
            return reconstruct(Profile(0, self._columns), 0)
        return pa.table({c.name: _plain(self._rows[c.name], c) for c in self._columns})

    def _take(self, batch: pa.RecordBatch) -> None:
        # Every row draws a key and the smallest keys win: a sample whose total need not be known.
        keys = self._random.random(batch.num_rows)
        bound = self._keys.max() if len(self._keys) == self._size else 1.0
        chosen = np.flatnonzero(keys < bound)
        chosen = np.sort(chosen[np.argsort(keys[chosen])[: self._size]])
        rows = pa.Table.from_batches([batch]).select([c.name for c in self._columns]).take(chosen)
        self._keep(keys[chosen], rows)

    def _keep(self, keys: NDArray[np.float64], rows: pa.Table) -> None:
        if self._rows is not None:
            rows = pa.concat_tables([self._rows, rows])
        keys = np.concatenate([self._keys, keys])
        kept = np.sort(np.argsort(keys, kind="stable")[: self._size])
        self._keys, self._rows = keys[kept], rows.take(kept)


def reconstruct(profile: Profile, size: int) -> pa.Table:
    """`size` rows of doubles and texts, each column distributed as the profile says.

    How columns went together is not in a profile, and not in these rows.
    """
    random = np.random.default_rng(0)
    return pa.table({c.name: _reconstructed(c, size, random) for c in profile.columns})


def _plain(values: pa.ChunkedArray, column: ColumnProfile) -> pa.Array:
    if not isinstance(column.distribution, Categories):
        plain = doubles(values)
        return pa.array(plain, mask=~np.isfinite(plain))
    values = values.cast(pa.string())
    listed = pc.is_in(values, pa.array(list(column.distribution.counts), pa.string()))
    kept = pc.or_(listed, pc.is_null(values))
    return pc.if_else(kept, values, OTHER)


def _reconstructed(column: ColumnProfile, size: int, random: np.random.Generator) -> pa.Array:
    total = column.count + column.missing
    there = round(size * column.count / total) if total else 0
    ranks = np.linspace(0, column.count, 2 * there + 1)[1::2]
    array = _at(column.distribution, ranks)
    array = pa.concat_arrays([array, pa.nulls(size - there, array.type)])
    return array.take(pa.array(random.permutation(size)))


def _at(
    distribution: Bins | OpenBins | Values | Categories, ranks: NDArray[np.float64]
) -> pa.Array:
    """The inverse of the distribution function; within a bin values are evenly spread.

    What lies beyond the outer edges of open bins is at them.
    """
    if isinstance(distribution, OpenBins):
        at = np.cumsum(distribution.counts[:-1])
        return pa.array(np.interp(ranks, at, distribution.edges) if len(at) else ranks * 0.0)
    if isinstance(distribution, Bins):
        return pa.array(np.interp(ranks, np.cumsum(distribution.counts), distribution.edges))
    if isinstance(distribution, Values):
        values = pa.array(distribution.values, pa.float64())
        counts = list(distribution.counts)
    else:
        values = pa.array([*distribution.counts, OTHER], pa.string())
        counts = [*distribution.counts.values(), distribution.other]
    return values.take(pa.array(np.searchsorted(np.cumsum(counts), ranks)))
