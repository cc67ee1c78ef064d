"""Intervals and tests that hold at every look, however often one looks and whenever one stops.

A fixed interval of 95 % that is looked at every day is wrong on some day far more often than in
5 % of cases. These are wrong on any day at all in 5 %.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray
from scipy.special import betaln, lambertw, logsumexp

Array = NDArray[np.float64]
LEVEL = 0.05
CONCENTRATIONS = (10.0, 100.0, 1000.0)  # of a share's priors: for large shifts and for small ones


def tuning(alpha: float = LEVEL) -> float:
    """The mixture's variance, in units of the estimate's own, by which an interval is shortest.

    Waudby-Smith and others (2024, Annals of Statistics 52, appendix B.2).
    """
    return float(-lambertw(-(alpha**2) * math.exp(-1), -1).real - 1)


def reach(clock: Array | float, alpha: float = LEVEL, freedom: Array | float = math.inf) -> Array:
    """How many standard errors a two-sided confidence sequence of a mean reaches to each side.

    `clock` is how far the data have come, 1 where the interval is to be shortest: the number of
    observations by a number that was chosen beforehand. The true value is within reach at all
    clocks at once with a probability of 1 - `alpha` (asymptotic: Waudby-Smith, Arbour, Sinha,
    Kennedy and Ramdas 2024, Annals of Statistics 52, theorem 2.2). `freedom` are the degrees of
    freedom of the standard error, for which the mixture is Student's (Lindon, Ham, Tingley and
    Bojinov 2022, arXiv:2210.08589, theorem 3.1). Infinite where no interval is bounded yet.
    """
    ratio = 1 + np.asarray(clock, np.float64) * tuning()
    nu = np.asarray(freedom, np.float64)
    normal = np.sqrt(2 * ratio / (ratio - 1) * (np.log(ratio) / 2 - math.log(alpha)))
    with np.errstate(all="ignore"):
        shrunk = (alpha**2 / ratio) ** (1 / (nu + 1))
        student = np.sqrt(nu * (1 - shrunk) / (shrunk - 1 / ratio))
    student = np.where(shrunk > 1 / ratio, student, np.inf)
    return np.asarray(np.where(np.isinf(nu) | (nu > 1e7), normal, student), np.float64)


def p_value(z: Array | float, clock: Array | float, freedom: Array | float = math.inf) -> Array:
    """The anytime-valid p-value of an estimate that is `z` standard errors from what is tested.

    It is the least alpha at which `reach` excludes that: at most `x` at any clock with a
    probability of `x` where what is tested is true.
    """
    ratio = 1 + np.asarray(clock, np.float64) * tuning()
    square = np.square(np.asarray(z, np.float64))
    nu = np.asarray(freedom, np.float64)
    normal = square / 2 * (1 - 1 / ratio)
    with np.errstate(all="ignore"):
        student = (nu + 1) / 2 * (np.log1p(square / nu) - np.log1p(square / nu / ratio))
    evidence = np.where(np.isinf(nu) | (nu > 1e7), normal, student) - np.log(ratio) / 2
    return np.asarray(np.exp(-np.clip(evidence, 0.0, 700.0)), np.float64)


def share_p_values(hits: Array, trials: Array, share: float) -> Array:
    """The anytime-valid p-values of a share at each look, ascending looks on the last axis.

    `hits` and `trials` are cumulative counts; the p-value of a look is the least of those before
    it, so that an alarm stays. A mixture of binomials by beta distributions around `share`
    (Lindon and Malek 2022, Anytime-Valid Inference for Multinomial Count Data, NeurIPS).
    """
    others = trials - hits
    known = hits * math.log(share) + others * math.log1p(-share)
    evidence = [
        betaln(c * share + hits, c * (1 - share) + others) - betaln(c * share, c * (1 - share))
        for c in CONCENTRATIONS
    ]
    mean = logsumexp(evidence, axis=0) - math.log(len(evidence)) - known
    least = np.maximum.accumulate(np.maximum(mean, 0.0), axis=-1)
    return np.asarray(np.exp(-np.minimum(least, 700.0)), np.float64)
