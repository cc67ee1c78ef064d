"""Bounds of a share and of a quantile that hold at every look, exact for any number of events."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import betainc, betaincc, betaln

Numbers = NDArray[np.float64]
Counts = NDArray[np.int64]
_A = _B = 0.5  # of the beta prior: as tight near 0 and 1 as in the middle
_HALVINGS = 60
_APART = 4  # buckets between two edges at which pairs are compared


def log_evidence_above(hits: Numbers, trials: Numbers, share: Numbers | float) -> Numbers:
    """The log of the evidence, by now, that a share lies above `share`.

    A mixture of binomials over shares above it, by the part of a beta distribution that lies
    there (Robbins 1970, Annals of Mathematical Statistics 41; the mixture as in Howard, Ramdas,
    McAuliffe and Sekhon 2021, Annals of Statistics 49, section 3):

        M = B(a + k, b + n - k) P(Beta(a + k, b + n - k) > p)
            / (B(a, b) P(Beta(a, b) > p) p^k (1 - p)^(n - k))

    Where the share is at most p it is a supermartingale that begins at 1, so that by Ville's
    inequality it ever reaches 1 / alpha with a probability of at most alpha.
    """
    return _evidence(hits, trials, share, betaincc)


def log_evidence_below(hits: Numbers, trials: Numbers, share: Numbers | float) -> Numbers:
    """The log of the evidence, by now, that a share lies below `share`; see the other side."""
    return _evidence(hits, trials, share, betainc)


def _evidence(hits: Numbers, trials: Numbers, share: Numbers | float, part: np.ufunc) -> Numbers:
    k, n = np.asarray(hits, np.float64), np.asarray(trials, np.float64)
    p = np.clip(np.asarray(share, np.float64), 1e-15, 1 - 1e-15)
    a, b = _A + k, _B + n - k
    with np.errstate(divide="ignore"):
        there = np.log(part(a, b, p)) - np.log(part(_A, _B, p))
    mixed = betaln(a, b) - math.log(math.pi)  # B(1/2, 1/2) is pi
    return np.asarray(mixed + there - k * np.log(p) - (n - k) * np.log1p(-p), np.float64)


def share_low(hits: Numbers, trials: Numbers, alpha: float) -> Numbers:
    """The least share that is still possible: at all looks at once with probability 1 - alpha."""
    k, n = np.broadcast_arrays(np.asarray(hits, np.float64), np.asarray(trials, np.float64))
    low, high = np.zeros(k.shape), np.divide(k, n, out=np.zeros(k.shape), where=n > 0)
    for _ in range(_HALVINGS):
        middle = (low + high) / 2
        out = log_evidence_above(k, n, middle) >= -math.log(alpha)
        low, high = np.where(out, middle, low), np.where(out, high, middle)
    return np.asarray(np.where(k > 0, low, 0.0), np.float64)


def share_high(hits: Numbers, trials: Numbers, alpha: float) -> Numbers:
    """The greatest share that is still possible: see `share_low`."""
    n = np.asarray(trials, np.float64)
    return 1 - share_low(n - np.asarray(hits, np.float64), n, alpha)


@dataclass(frozen=True, slots=True)
class Buckets:
    """Buckets of a histogram: between two of its edges, one more than there are buckets."""

    low: Counts
    high: Counts


def quantile_buckets(histogram: Counts, q: float, alpha: float) -> Buckets:
    """The buckets between which the quantile lies, each side with probability 1 - alpha.

    `histogram` has shape (..., buckets). The number of events up to the quantile is a binomial of
    share q, so that a bound of that share at every look is one of the quantile (Howard and Ramdas
    2022, Bernoulli 28, section 3, with the beta-binomial mixture in place of their boundary):
    `low` is the first bucket up to which there are as many as the bound allows at least, `high`
    the first that more do not allow. Beyond the last bucket: its index is their number.
    """
    upto = np.cumsum(histogram, axis=-1)
    n = upto[..., -1].astype(np.float64)
    least = _first_possible(n, q, alpha)  # fewer up to the quantile would be too few
    most = n - _first_possible(n, 1 - q, alpha)
    low = (upto < least[..., None]).sum(axis=-1)
    return Buckets(low, (upto < (most + 1)[..., None]).sum(axis=-1))


def _first_possible(trials: Numbers, share: float, alpha: float) -> Numbers:
    """The smallest number of hits that does not show the share to lie below `share`."""
    low, high = np.zeros_like(trials), np.ceil(trials * share)
    for _ in range(int(math.log2(max(2.0, float(trials.max(initial=1.0))))) + 2):
        middle = np.floor((low + high) / 2)
        out = log_evidence_below(middle, trials, share) >= -math.log(alpha)
        low, high = np.where(out, np.minimum(middle + 1, high), low), np.where(out, high, middle)
    return high


def quantile_bucket(histogram: Counts, q: float) -> NDArray[np.float64]:
    """Where the quantile is estimated: a bucket's index, and how far into it, as one number."""
    upto = np.cumsum(histogram, axis=-1)
    asked = q * upto[..., -1:]
    place = np.minimum((upto < asked).sum(axis=-1), histogram.shape[-1] - 1)
    within = np.take_along_axis(histogram, place[..., None], -1)[..., 0]
    before = np.take_along_axis(upto, place[..., None], -1)[..., 0] - within
    part = np.divide(asked[..., 0] - before, within, out=np.ones(place.shape), where=within > 0)
    return np.asarray(place + np.clip(part, 0.0, 1.0), np.float64)


def more_often_above(
    first: Counts, second: Counts, lesser: Counts, q: float, alpha: float
) -> NDArray[np.bool_]:
    """Whether of pairs that lie on both sides of the first's quantile the second is surely more
    often the one above.

    Histograms of shape (..., buckets): of either, and of the lesser of the two. Where both are
    alike either is as likely: a sign test, by evidence that holds at every look. At which edge of
    a bucket it is made the numbers themselves say, so that each edge may take its share of alpha:
    of those that are some way apart, the last at or below the quantile.
    """
    place = np.ceil(quantile_bucket(first, q)).astype(np.int64) - 1
    edge = (place // _APART * _APART)[..., None]
    over = [
        np.take_along_axis(np.cumsum(h[..., ::-1], axis=-1)[..., ::-1], edge + 1, -1)[..., 0]
        for h in (first, second, lesser)
    ]
    above, below = ((n - over[2]).astype(np.float64) for n in (over[1], over[0]))
    edges = first.shape[-1] / _APART
    return np.asarray(log_evidence_above(above, above + below, 0.5) >= math.log(edges / alpha))
