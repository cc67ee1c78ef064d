"""How likely a class truly is, by the score that the model gave: learned from unseen rows."""

from __future__ import annotations

from dataclasses import dataclass

import msgspec
import numpy as np
from numpy.typing import NDArray

from mlops_cli.bundle.profile import ScoreBins

Numbers = NDArray[np.float64]

BINS = 200
FEWEST = 5  # rows of a bin with whatever ties
LEAST = 10  # rows of a bin, but for ties; more lose to isotonic regression where hits are rare
_CLIP = 1e-6


def count_scores(
    scores: Numbers, hits: NDArray[np.bool_], groups: NDArray[np.int64] | None = None
) -> ScoreBins:
    """Rows that the fit has not seen, counted in at most 200 bins of their score.

    `scores` are the probabilities that the model gave to a class, `hits` whether a row is of it;
    both of shape (n,), with n > 0. Rows of one score are in one bin; a bin has some 10 rows, and
    never fewer than 5 where there are as many. `groups` are codes of the subjects that rows are
    about, shape (n,); None where each row is by itself.
    """
    places = _log_odds(scores)
    bin_of = np.searchsorted(_edges(np.sort(places)), places, side="left")
    rows = np.bincount(bin_of)
    sums, found = (np.bincount(bin_of, weights=w) for w in (places, hits.astype(np.float64)))
    counted = ScoreBins(
        log_odds=tuple(round(float(x), 6) for x in sums / rows),
        rows=tuple(rows.tolist()),
        hits=tuple(int(x) for x in found),
    )
    if groups is None:
        return counted
    chance = curve_of(counted).chances(scores)
    of_groups = inflation(hits - chance, float((chance * (1 - chance)).sum()), groups)
    return msgspec.structs.replace(counted, inflation=of_groups)


def inflation(residuals: Numbers, variance: float, groups: NDArray[np.int64]) -> float:
    """By how much sums of `residuals`, shape (n,), vary more than independent rows' would.

    `variance` is what independent rows give their sum (the design effect of Kish 1965); 1 at
    the least.
    """
    sums = np.bincount(np.unique(groups, return_inverse=True)[1], residuals)
    return round(max(1.0, float((sums**2).sum()) / variance), 4) if variance > 0 else 1.0


def _edges(ascending: Numbers) -> list[float]:
    """The upper edges of all bins but the last; what lies on an edge is in the bin below it."""
    bins = max(1, min(BINS, len(ascending) // LEAST))
    at = np.linspace(0, len(ascending) - 1, bins + 1).astype(np.int64)[1:-1]
    kept: list[float] = []
    before = 0
    for edge in np.unique(ascending[at]).tolist():
        below = int(np.searchsorted(ascending, edge, side="right"))
        if min(below - before, len(ascending) - below) >= FEWEST:
            kept.append(edge)
            before = below
    return kept


@dataclass(frozen=True, slots=True)
class Placed:
    """Scores on a curve: their chances, the bin to the left of each, and how far it is to the next
    one (0 to 1)."""

    chances: Numbers
    left: NDArray[np.int64]
    share: Numbers


@dataclass(frozen=True, slots=True)
class Curve:
    """The chance of a class by the model's score, ascending, and how far rows leave it open.

    Isotonic regression over the bins (Zadrozny and Elkan 2002, KDD), straight between them; bins
    of one chance are a block, `block` of shape (bins,), whose chance has the variance `open`, of
    shape (blocks,): that of a share, with half a row added to each side (Jeffreys).
    """

    places: Numbers
    values: Numbers
    block: NDArray[np.int64]
    open: Numbers

    def chances(self, scores: Numbers) -> Numbers:
        """The chance of the class for each of the model's `scores`; shape (n,)."""
        return np.asarray(np.interp(_log_odds(scores), self.places, self.values))

    def placed(self, scores: Numbers) -> Placed:
        """Where each score lies; found once for all that is asked of the same scores."""
        odds = _log_odds(scores)
        at = np.interp(odds, self.places, np.arange(len(self.places), dtype=float))
        left = np.floor(at).astype(np.int64)
        return Placed(np.interp(odds, self.places, self.values), left, np.asarray(at - left))

    def variance(self, at: Placed, weights: Numbers) -> float:
        """The variance of the sum of `weights` times chances: what the curve leaves open."""
        return float(self.loads(at, weights) ** 2 @ self.open)

    def loads(self, at: Placed, weights: Numbers) -> Numbers:
        """How much each block weighs in the sum of `weights` times chances, shape (blocks,)."""
        right = np.minimum(at.left + 1, len(self.places) - 1)
        by_bin = np.bincount(at.left, weights * (1 - at.share), len(self.places))
        by_bin += np.bincount(right, weights * at.share, len(self.places))
        return np.asarray(np.bincount(self.block, by_bin, len(self.open)), dtype=np.float64)


def curve_of(counted: ScoreBins) -> Curve:
    """The curve through counted rows."""
    rows, hits = (np.asarray(v, dtype=np.float64) for v in (counted.rows, counted.hits))
    values, block = _pool_adjacent_violators(hits / rows, rows)
    n, k = np.bincount(block, rows), np.bincount(block, hits)
    share = (k + 0.5) / (n + 1)
    left_open = counted.inflation * share * (1 - share) / (n + 2)
    return Curve(np.asarray(counted.log_odds), values, block, left_open)


def _log_odds(scores: Numbers) -> Numbers:
    inside = np.clip(np.asarray(scores, dtype=np.float64), _CLIP, 1 - _CLIP)
    return np.asarray(np.log(inside / (1 - inside)))


def _pool_adjacent_violators(
    values: Numbers, weights: Numbers
) -> tuple[Numbers, NDArray[np.int64]]:
    """The nearest ascending values (Ayer et al. 1955, Annals of Mathematical Statistics 26).

    Beside each the number of its block.
    """
    blocks: list[tuple[float, float, int]] = []
    for value, weight in zip(values.tolist(), weights.tolist(), strict=True):
        mean, total, size = value, weight, 1
        while blocks and blocks[-1][0] >= mean:
            before, heavy, more = blocks.pop()
            mean = (before * heavy + mean * total) / (heavy + total)
            total, size = heavy + total, size + more
        blocks.append((mean, total, size))
    sizes = [b[2] for b in blocks]
    return np.repeat([b[0] for b in blocks], sizes), np.repeat(np.arange(len(sizes)), sizes)
