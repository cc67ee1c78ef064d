"""A column's distribution in a bounded number of counts."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from mlops_cli.bundle.profile import Bins, Categories, Values
from mlops_cli.monitoring.counts.columns import bucket_counts

BINS = 128
MAX_VALUES = 100  # up to here every value is kept: months, hours, 0 and 1
MAX_CATEGORIES = 200
BUCKETS = 64


def sketch(values: NDArray[np.float64]) -> Bins | Values:
    """The distribution of finite numbers, shape (n,): all values where they are few, else bins."""
    ordered = np.sort(values)
    last = np.flatnonzero(ordered[1:] != ordered[:-1])
    last = np.append(last, len(ordered) - 1) if len(ordered) else last
    if len(last) <= MAX_VALUES:
        counts = np.diff(last, prepend=-1)
        return Values(tuple(ordered[last].tolist()), tuple(counts.tolist()))
    edges = _quantile_edges(ordered)
    ranks = np.searchsorted(ordered, edges, side="right")
    return Bins(tuple(edges.tolist()), tuple(np.diff(ranks, prepend=0).tolist()))


def top_categories(counts: Mapping[str, int]) -> Categories:
    """The most frequent texts (ties in the order of code points), the others in one number."""
    ranked = sorted(counts.items(), key=lambda kv: (-kv[1], kv[0]))
    kept, other = dict(ranked[:MAX_CATEGORIES]), sum(c for _, c in ranked[MAX_CATEGORIES:])
    buckets = tuple(bucket_counts(counts, BUCKETS).tolist()) if other else None
    return Categories(counts=kept, other=other, buckets=buckets)


def _quantile_edges(ordered: NDArray[np.float64]) -> NDArray[np.float64]:
    """BINS quantiles as edges; a value that fills a bin gets one of its own."""
    quantiles = ordered[quantile_ranks(len(ordered))]
    heavy = quantiles[1:][quantiles[1:] == quantiles[:-1]]
    return np.unique(np.concatenate([quantiles, np.nextafter(heavy[heavy > ordered[0]], -np.inf)]))


def quantile_ranks(n: int) -> NDArray[np.int64]:
    """The positions of BINS quantiles among `n` ordered values, denser in the tails.

    The levels (1 - cos t) / 2 are those of the t-digest's scale k1 (Dunning and Ertl, 2019).
    """
    levels = (1 - np.cos(np.linspace(0, np.pi, BINS))) / 2
    return np.round(levels * (n - 1)).astype(np.int64)
