"""Distances between two samples in counts, and how large chance alone makes them.

In every function `reference` and `current` are counts, shape (k,), over the same k cells.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy import special

from mlops_cli.monitoring.counts.shares import EXPECTED

Counts = NDArray[np.int64]
Numbers = NDArray[np.float64]

PSI_GROUPS = 10


def effective(n: float, m: float) -> float:
    """The size n m / (n + m) that both samples together have in a two-sample test."""
    return n * m / (n + m) if n and m else 0.0


def ks_distance(reference: Counts, current: Counts) -> float:
    """The largest difference of the two distribution functions at the cells' upper edges.

    A lower bound of the Kolmogorov-Smirnov distance of the values themselves; it misses at most
    one cell's share.
    """
    return float(np.abs(_shares(reference).cumsum() - _shares(current).cumsum()).max(initial=0.0))


def ks_p_value(distance: float, size: float) -> float:
    """The probability of a distance at least this large under chance, at effective `size`.

    Kolmogorov's limit with the correction of Stephens (1970, JRSS B 32) for small samples; for
    ties and cells it is too large, never too small.
    """
    return float(special.kolmogorov(_stephens(size) * distance))


def ks_critical(alpha: float, size: float) -> float:
    """The distance that chance exceeds with probability `alpha`; the inverse of `ks_p_value`."""
    return min(1.0, float(special.kolmogi(alpha)) / _stephens(size)) if size else 1.0


def chi_square(reference: Counts, current: Counts) -> tuple[float, int]:
    """Pearson's statistic of homogeneity of the two samples, and its degrees of freedom.

    Cells that are too thin for it are to be merged first (`merge_thin`).
    """
    n, m = reference.sum(), current.sum()
    total = reference + current
    kept = total > 0
    if not n or not m or kept.sum() < 2:
        return 0.0, 0
    difference = reference[kept] / n - current[kept] / m
    statistic = float((difference**2 / total[kept]).sum() * n * m)
    return statistic, int(kept.sum()) - 1


def chi_square_p_value(statistic: float, freedom: int) -> float:
    """The probability of a statistic at least this large under chance."""
    return float(special.chdtrc(freedom, statistic)) if freedom else 1.0


def chi_square_critical(alpha: float, freedom: int) -> float:
    """The statistic that chance exceeds with probability `alpha`."""
    return float(special.chdtri(freedom, alpha)) if freedom else 0.0


def merge_thin(reference: Counts, current: Counts) -> tuple[Counts, Counts]:
    """The cells with every one merged whose expected count in the smaller sample is below 5.

    They become one cell; where that is thin itself, it joins the smallest of the others. Cells
    that the reference never filled count as thin: that they are empty there chose them.
    """
    n, m = int(reference.sum()), int(current.sum())
    share = np.where(reference > 0, (reference + current) / max(n + m, 1), 0.0)
    return _merge_below(share * min(n, m), reference, current)


def merge_rare(reference: Counts, current: Counts) -> tuple[Counts, Counts]:
    """The cells with every one merged that is rare in both samples: for showing, not for testing.

    Rare is a share of fewer than 5 rows of the smaller sample.
    """
    least = min(int(reference.sum()), int(current.sum()))
    expected: Numbers = np.maximum(_shares(reference), _shares(current)) * least
    return _merge_below(expected, reference, current)


def _merge_below(expected: Numbers, reference: Counts, current: Counts) -> tuple[Counts, Counts]:
    order = np.argsort(expected, kind="stable")
    thin = int(np.searchsorted(expected[order], EXPECTED))
    if thin and expected[order[:thin]].sum() < EXPECTED:
        thin = min(thin + 1, len(order))
    return _merge_first(reference[order], thin), _merge_first(current[order], thin)


def group_evenly(reference: Counts, current: Counts) -> tuple[Counts, Counts]:
    """Ordered cells merged into ten groups of nearly equal reference counts."""
    before = reference.cumsum() - reference / 2
    group = (before * (PSI_GROUPS / max(int(reference.sum()), 1))).astype(np.int64)
    group = np.clip(group, 0, PSI_GROUPS - 1)
    sums = [np.bincount(group, weights=c, minlength=PSI_GROUPS) for c in (reference, current)]
    return sums[0].astype(np.int64), sums[1].astype(np.int64)


def psi(reference: Counts, current: Counts) -> float:
    """The population stability index, sum of (p - q) ln(p / q), with half a count in each cell.

    The half (Jeffreys) keeps an empty cell finite.
    """
    k = len(reference)
    p = (reference + 0.5) / (reference.sum() + 0.5 * k)
    q = (current + 0.5) / (current.sum() + 0.5 * k)
    return float(((q - p) * np.log(q / p)).sum())


def psi_critical(alpha: float, cells: int, size: float) -> float:
    """The index that chance exceeds with probability `alpha`: chi-square(cells - 1) / size.

    Yurdakul and Naranjo (2020), Statistical properties of the population stability index,
    Journal of Risk Model Validation 14(4).
    """
    return chi_square_critical(alpha, cells - 1) / size if size else float("inf")


def total_variation(reference: Counts, current: Counts) -> float:
    """The share of rows (0 to 1) that would have to move to make the samples alike."""
    return float(np.abs(_shares(reference) - _shares(current)).sum() / 2)


def wasserstein(edges: Numbers, reference: Counts, current: Counts) -> float:
    """The area between the two distribution functions, in the column's unit, between the edges.

    `reference` and `current` have one cell more than there are edges: below the first, between
    two, above the last. Values are taken as evenly spread within a cell.
    """
    gap = (_shares(reference).cumsum() - _shares(current).cumsum())[:-1]
    left, right, width = np.abs(gap[:-1]), np.abs(gap[1:]), np.diff(edges)
    total = left + right
    crossing = gap[:-1] * gap[1:] < 0
    mean = np.where(crossing, (left**2 + right**2) / np.where(total > 0, total, 1.0), total) / 2
    return float((mean * width).sum())


def _shares(counts: Counts) -> Numbers:
    shares: Numbers = counts / max(int(counts.sum()), 1)
    return shares


def _stephens(size: float) -> float:
    root = float(np.sqrt(size))
    return root + 0.12 + 0.11 / root if size else 0.0


def _merge_first(counts: Counts, number: int) -> Counts:
    if not number:
        return counts
    return np.concatenate([[counts[:number].sum()], counts[number:]])
