"""How far the candidate's level of a metric lies from the champion's, at every look.

A metric of an arm is a sum by a sum: of one unit's value by 1 (a mean, a rate), or of two sums of
each unit (a ratio). To first order it moves by each unit's residual, by which its error is had
(the delta method; Deng, Knoblich and Lu 2018, KDD). Units are independent, rows of one are not.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mlops_cli.evaluation.sequential import LEVEL, p_value, reach

FEWEST = 30  # units of an arm, below which nothing is told
Array = NDArray[np.float64]
Mask = NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Sample:
    """The units in which a metric was measured, each with shape (n,) but for `before`.

    The metric is the sum of `top` by that of `bottom`. `before`, shape (n, k), is what was known
    of a unit before it met an arm, without gaps. `rows` are the observations behind it. Units are
    compared within their `stratum` (a number); of one `subject` (a number) there may be one in
    each.
    """

    candidate: Mask
    top: Array
    bottom: Array
    before: Array
    rows: Array
    stratum: NDArray[np.int64]
    subject: NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Levels:
    """The metric in both arms, champion first, with the covariance of the two.

    `freedom` is that of the difference's error, `balance` the number of observations as if the
    arms were equal. `explained` is the part of the variance that `before` took out.
    """

    value: Array
    covariance: Array
    freedom: float
    balance: float
    explained: float

    @property
    def difference(self) -> float:
        """Candidate less champion."""
        return float(self.value[1] - self.value[0])

    @property
    def error(self) -> float:
        """The standard error of the difference."""
        (a, b), (_, d) = self.covariance
        return math.sqrt(max(0.0, float(a + d - 2 * b)))


@dataclass(frozen=True, slots=True)
class Between:
    """An estimate between the ends of its interval; None where there is none."""

    value: float | None
    low: float | None
    high: float | None


def levels(sample: Sample) -> Levels | None:
    """The metric's levels; None below `FEWEST` units of an arm, or where it does not vary.

    Strata are weighted by what they tell (n1 n2 / n), so that a share of the traffic that changed
    between them moves nothing.
    """
    parts = [p for s in np.unique(sample.stratum) if (p := _Part.of(sample, s)) is not None]
    counts = np.sum([p.counts for p in parts], axis=0) if parts else np.zeros(2)
    if min(counts) < FEWEST:
        return None
    slopes, explained = _slopes(parts)
    weights = np.array([float(p.counts.prod() / p.counts.sum()) for p in parts])
    weights /= weights.sum()
    value = sum(w * p.adjusted(slopes) for w, p in zip(weights, parts, strict=True))
    influence = [w * p.influence(slopes) for w, p in zip(weights, parts, strict=True)]
    moved = _by_subject(np.concatenate(influence), parts)
    floor = sum(w**2 * p.floor() for w, p in zip(weights, parts, strict=True))
    covariance = moved.T @ moved + np.diag(np.asarray(floor))
    if not np.diag(covariance).any():
        return None
    found = Levels(
        value=np.asarray(value),
        covariance=covariance,
        freedom=_freedom(covariance, counts),
        balance=sum(p.balance for p in parts),
        explained=explained,
    )
    return found if found.error > 1e-12 * float(np.abs(found.value).max()) else None


def difference(found: Levels, planned: float, alpha: float = LEVEL) -> Between:
    """The difference with its interval, that holds at every look; see `sequential.reach`."""
    half = float(reach(found.balance / planned, alpha, found.freedom)) * found.error
    if not math.isfinite(half):
        return Between(found.difference, None, None)
    return Between(found.difference, found.difference - half, found.difference + half)


def relative(found: Levels, planned: float, alpha: float = LEVEL) -> Between:
    """The difference as a part of the champion's level: 0.02 is two percent more.

    Its interval are the ratios that no interval of theirs excludes (Fieller 1954). None where the
    champion's level may be 0.
    """
    (c, t), q = found.value, float(reach(found.balance / planned, alpha, found.freedom))
    value = float((t - c) / abs(c)) if c else None
    if not math.isfinite(q):
        return Between(value, None, None)
    (vc, both), (_, vt) = found.covariance * q**2
    a, b, d = float(c**2 - vc), float(c * t - both), float(t**2 - vt)
    if a <= 0 or value is None:
        return Between(value, None, None)
    root = math.sqrt(max(0.0, b * b - a * d))
    ends = [math.copysign(1.0, c) * ((b + sign * root) / a - 1) for sign in (-1, 1)]
    return Between(value, min(ends), max(ends))


def chance(found: Levels, planned: float) -> float:
    """The anytime-valid p-value of no difference."""
    z = found.difference / found.error
    return float(p_value(z, found.balance / planned, found.freedom))


@dataclass(frozen=True, slots=True)
class _Part:
    """The units of one stratum: residuals as if of a mean, and what was before, both centred."""

    candidate: Mask
    counts: Array  # units of both arms
    level: Array
    residual: Array  # of mean 0 in each arm, in the metric's unit
    before: Array  # less its mean over both arms
    shift: Array  # (2, k): each arm's mean of `before`
    balance: float
    trials: Array | None  # of both arms, where the metric is a share of them
    subject: NDArray[np.int64]

    @classmethod
    def of(cls, sample: Sample, stratum: np.int64) -> _Part | None:
        here = sample.stratum == stratum
        candidate, top, bottom = sample.candidate[here], sample.top[here], sample.bottom[here]
        arms = (~candidate, candidate)
        counts = np.array([arm.sum() for arm in arms], np.float64)
        sums = np.array([bottom[arm].sum() for arm in arms])
        if counts.min() < 2 or not np.all(sums):
            return None
        tops = np.array([top[arm].sum() for arm in arms])
        level = tops / sums
        side = candidate.astype(np.int64)
        residual = (top - level[side] * bottom) * (counts / sums)[side]
        before = sample.before[here] - sample.before[here].mean(axis=0)
        rows = np.array([sample.rows[here][arm].sum() for arm in arms])
        is_rate = bool(np.all((top >= 0) & (top <= bottom) & (top == np.floor(top))))
        return cls(
            candidate=candidate,
            counts=counts,
            level=level,
            residual=residual,
            before=before,
            shift=np.array([before[arm].mean(axis=0) for arm in arms]),
            balance=float(4 * rows.prod() / rows.sum()),
            trials=sums if is_rate else None,
            subject=sample.subject[here],
        )

    @property
    def within(self) -> Array:
        """`before`, less the mean of each arm."""
        return np.asarray(self.before - self.shift[self.candidate.astype(np.int64)])

    def adjusted(self, slopes: Array) -> Array:
        """The levels, as if both arms had been the same before."""
        return np.asarray(self.level - self.shift @ slopes)

    def influence(self, slopes: Array) -> Array:
        """By how much each unit moves the two levels, shape (n, 2)."""
        side = self.candidate.astype(np.int64)
        n = self.counts[side]
        own = (self.residual - self.within @ slopes) / np.sqrt(n * (n - 1))
        found = np.zeros((len(own), 2))
        found[np.arange(len(own)), side] = own
        return np.asarray(found + (self.before @ slopes / self.counts.sum())[:, None])

    def floor(self) -> Array:
        """What a share's variance lacks where hits are too few to show it (Agresti, Coull 1998)."""
        if self.trials is None:
            return np.zeros(2)
        share = (self.level * self.trials + 1) / (self.trials + 2)
        seen = self.level * (1 - self.level) / np.maximum(1.0, self.trials - 1)
        return np.maximum(0.0, share * (1 - share) / (self.trials + 2) - seen)


def _slopes(parts: list[_Part]) -> tuple[Array, float]:
    """By how much the metric goes with what was before (CUPED; Deng and others 2013, WSDM)."""
    before = np.concatenate([p.within for p in parts])
    residual = np.concatenate([p.residual for p in parts])
    varies = np.ptp(before, axis=0) > 0 if before.size else np.zeros(before.shape[1], bool)
    slopes = np.zeros(before.shape[1])
    if not varies.any():
        return slopes[:0] if before.shape[1] == 0 else slopes, 0.0
    scale = before[:, varies].std(axis=0)
    slopes[varies] = np.linalg.lstsq(before[:, varies] / scale, residual, rcond=None)[0] / scale
    total = float(residual @ residual)
    left = residual - before @ slopes
    return slopes, 1 - float(left @ left) / total if total else 0.0


def _by_subject(influence: Array, parts: list[_Part]) -> Array:
    """A subject that is a unit in several strata moves the levels as one."""
    if len(parts) == 1:
        return influence
    subjects = np.unique(np.concatenate([p.subject for p in parts]), return_inverse=True)[1]
    sums = [np.bincount(subjects, influence[:, arm]) for arm in (0, 1)]
    return np.column_stack(sums)


def _freedom(covariance: Array, counts: Array) -> float:
    """The degrees of freedom of a difference whose parts have their own errors (Welch 1947)."""
    variances = np.diag(covariance)
    return float(variances.sum() ** 2 / (variances**2 / (counts - 1)).sum())
