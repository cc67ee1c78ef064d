"""Sketches of sensitive columns: nothing in them is told of fewer than five rows."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import numpy as np
from numpy.typing import NDArray

from mlops_cli.bundle.profile import Categories, OpenBins, Values
from mlops_cli.monitoring.counts.columns import bucket_counts
from mlops_cli.monitoring.counts.sketches import BUCKETS, MAX_CATEGORIES, MAX_VALUES, quantile_ranks
from mlops_cli.tables.disclosure import FEWEST

_LITTLE = 0.01  # of a column's rows: as missing ones they move no share as far as drift looks


def merged_sketch(values: NDArray[np.float64]) -> OpenBins | Values:
    """The distribution of finite numbers, shape (n,): each value where all are of five rows.

    Otherwise bins whose edges lie between two values. Fewer than five numbers are told as none.
    """
    if len(values) < FEWEST:
        return Values((), ())
    found, counts = np.unique(values, return_counts=True)
    if len(found) <= MAX_VALUES and counts.min() >= FEWEST:
        return Values(tuple(found.tolist()), tuple(counts.tolist()))
    below = counts.cumsum()
    cuts = [*_cuts(below)]
    edges = (found[cuts] + (found[[i + 1 for i in cuts]] - found[cuts]) / 2).tolist()
    return OpenBins(tuple(edges), tuple(np.diff([0, *below[cuts], len(values)]).tolist()))


def merged_categories(counts: Mapping[str, int]) -> Categories:
    """The most frequent texts of at least five rows; the others in one number, and in buckets.

    Others in one bucket are none, or five rows at least: there are fewer buckets where needed.
    Where others are few, or two buckets are too many, they are missing.
    """
    ranked = sorted(counts.items(), key=lambda kv: (-kv[1], kv[0]))
    kept = dict(kv for kv in ranked[:MAX_CATEGORIES] if kv[1] >= FEWEST)
    rest = {text: n for text, n in counts.items() if text not in kept}
    other, size = sum(rest.values()), BUCKETS
    if other <= _LITTLE * sum(counts.values()):
        return Categories(counts=kept, other=0)
    while size > 1:
        found = bucket_counts(rest, size)
        if found[found > 0].min() >= FEWEST:
            return Categories(kept, other, tuple(bucket_counts(counts, size).tolist()))
        size //= 2
    return Categories(counts=kept, other=0)


def _cuts(below: NDArray[np.int64]) -> Iterator[int]:
    """After which distinct values an edge lies; `below[i]` rows have the value i or a smaller one.

    Near the usual quantiles, and on both sides of a value that fills a bin; five rows between any
    two, and beyond either end.
    """
    n, told = int(below[-1]), 0
    places = np.searchsorted(below, quantile_ranks(n), side="right")
    for i in sorted({*places.tolist(), *(places - 1).tolist()}):
        if 0 <= i < len(below) - 1 and below[i] - told >= FEWEST and n - below[i] >= FEWEST:
            told = int(below[i])
            yield i
