"""Two samples cut into a half to learn from and a half to judge on, one row of each subject there.

That whoever is judged was not learned from keeps the test exact, and that each counts once.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtr
from scipy.stats import rankdata

Numbers = NDArray[np.float64]
Positions = NDArray[np.int64]

MOST = 20_000  # rows of either sample
SHUFFLES, BATCH = 30, 333  # 9,990 of them
MANY = 100  # of each sample: from here on ranks are as good as normal
BEYOND = 1.5  # times the farthest quiet window, where these are too few for a quantile
PLACES = 20  # quiet windows at the most: each costs a fit
FEWEST = 8
MIN_ROWS = 30


@dataclass(frozen=True, slots=True)
class Rows:
    """A sample: `values` of shape (n, f), missing values being NaN, and whom each row is about.

    `groups`, of shape (n,), are codes of the subjects (the same code in both samples is the same
    subject); None where each row is by itself.
    """

    values: Numbers
    groups: NDArray[np.int64] | None = None

    def take(self, at: Positions) -> Rows:
        """The rows at these positions."""
        return Rows(self.values[at], None if self.groups is None else self.groups[at])


@dataclass(frozen=True, slots=True)
class Halves:
    """Both samples as one: `values`, which of them are `later`, and the two parts' positions."""

    values: Numbers
    later: NDArray[np.bool_]
    learn: Positions
    judge: Positions


def halves(reference: Rows, current: Rows) -> Halves:
    """Cut both samples, at most 20,000 rows of each; the same samples give the same halves.

    All rows of a subject are in one half; in that which judges one row of each is kept, and one in
    either sample of a subject that is in both.
    """
    random = np.random.default_rng(0)
    before, after = _at_most(reference, random), _at_most(current, random)
    values = np.concatenate([before.values, after.values])
    later = np.arange(len(values)) >= len(before.values)
    groups = _groups(before, after)
    learning = random.random(int(groups.max(initial=-1)) + 1) < 0.5
    learn = np.flatnonzero(learning[groups])
    shuffled = random.permutation(np.flatnonzero(~learning[groups]))
    keys = groups[shuffled] * 2 + later[shuffled]
    judge = shuffled[np.unique(keys, return_index=True)[1]]
    return Halves(values, later, learn, np.sort(judge))


def rank_test(scores: Numbers, later: NDArray[np.bool_]) -> tuple[float, float]:
    """How far the later scores lie above the others, and how often chance puts them so far.

    The first is the share of pairs in which the later one is above (0 to 1, ties half: the area
    under the ROC curve). The second is the one-sided test of Mann and Whitney (1947): of few by
    9,990 shuffles, which is exact with ties, too (Phipson and Smyth 2010); of many by the normal
    limit with ties.
    """
    m, n = int(later.sum()), int((~later).sum())
    if not m or not n:
        return 0.5, 1.0
    ranks = rankdata(scores)
    area = float((ranks[later].sum() - m * (m + 1) / 2) / (m * n))
    if min(m, n) < MANY:
        return area, _by_shuffles(ranks, later)
    _, ties = np.unique(scores, return_counts=True)
    total = m + n
    spread = (total + 1 - float((ties**3.0 - ties).sum()) / (total * (total - 1))) / (12 * m * n)
    return area, float(ndtr(-(area - 0.5) / math.sqrt(spread))) if spread > 0 else 1.0


def quiet_effects(
    rows: Rows, windows: NDArray[np.int64], effect: Callable[[Rows, Rows], float]
) -> tuple[float, ...]:
    """The effect of each of some windows inside the reference against all of its other rows.

    `windows` are codes of shape (n,). At most 20 of 30 rows or more, chosen by lot; none where
    there are fewer than eight: then nothing is known of how far a quiet one lies.
    """
    codes, counts = np.unique(windows, return_counts=True)
    codes = codes[counts >= MIN_ROWS]
    if len(codes) < FEWEST:
        return ()
    # Not evenly: every other day would never be a Sunday.
    chosen = np.random.default_rng(0).permutation(codes)[:PLACES]
    inside = [windows == code for code in chosen]
    return tuple(
        effect(rows.take(np.flatnonzero(~here)), rows.take(np.flatnonzero(here))) for here in inside
    )


def floor_of(quiet: Sequence[float], alpha: float, *, none: float) -> float:
    """What the next of exchangeable quiet windows exceeds with probability `alpha` at the most.

    `none` is the effect of no difference. Where the windows are too few to tell the quantile it
    is one and a half times as far as the farthest.
    """
    if not quiet:
        return none
    rank = math.ceil((len(quiet) + 1) * (1 - alpha))
    ascending = sorted(quiet)
    if rank <= len(ascending):
        return max(none, ascending[rank - 1])
    return max(none, none + BEYOND * (ascending[-1] - none))


def _at_most(rows: Rows, random: np.random.Generator) -> Rows:
    if len(rows.values) <= MOST:
        return rows
    return rows.take(np.sort(random.choice(len(rows.values), MOST, replace=False)))


def _groups(before: Rows, after: Rows) -> NDArray[np.int64]:
    n, m = len(before.values), len(after.values)
    if before.groups is None or after.groups is None:
        return np.arange(n + m)
    both = np.concatenate([before.groups, after.groups])
    return np.asarray(np.unique(both, return_inverse=True)[1], dtype=np.int64)


def _by_shuffles(ranks: Numbers, later: NDArray[np.bool_]) -> float:
    random = np.random.default_rng(0)
    seen, m = float(ranks[later].sum()) - 1e-9, int(later.sum())
    above = sum(
        int((part[:, :m].sum(axis=1) >= seen).sum())
        for part in (random.permuted(np.tile(ranks, (BATCH, 1)), axis=1) for _ in range(SHUFFLES))
    )
    return (1 + above) / (1 + SHUFFLES * BATCH)
