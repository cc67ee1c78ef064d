"""By how much the rates of two arms differ between which chance decides, exact at every look."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

Numbers = NDArray[np.float64]
# Stakes, as the difference in units of the rate for which each is best, and their shares: most are
# for a rate that is higher by a fifth to twice as much again.
_STAKES = np.geomspace(0.02, 20.0, 25)
_SHARES = np.exp(-(np.log(_STAKES / 0.6) ** 2) / (2 * 1.1**2))
_SHARES /= _SHARES.sum()
_MOST = 0.95  # of what can be lost, that is staked at most
_HALVINGS = 45


@dataclass(frozen=True, slots=True)
class Strata:
    """Events and losses of both arms in strata, along the last axis.

    A stratum is a stretch of time in which an event met the candidate with a probability of
    `share`. Where its events are `mirrored` both arms met them: all the champion, and a `share`
    of them the candidate, too.
    """

    candidate: Numbers
    champion: Numbers
    lost_by_candidate: Numbers
    lost_by_champion: Numbers
    share: Numbers
    mirrored: NDArray[np.bool_]

    @property
    def events(self) -> Numbers:
        """How many events a stratum had, whoever met them."""
        return np.where(self.mirrored, self.champion, self.candidate + self.champion)

    @property
    def others(self) -> Numbers:
        """The probability that an event met the champion."""
        return np.where(self.mirrored, 1.0, 1 - self.share)

    @property
    def weights(self) -> Numbers:
        """What each stratum weighs in a difference: by what it tells of it, summing to 1."""
        told = self.events * self.share * self.others / (self.share + self.others)
        told = told * ((self.candidate > 0) & (self.champion > 0))
        total = told.sum(axis=-1, keepdims=True)
        return np.asarray(np.divide(told, total, out=np.zeros(told.shape), where=total > 0))

    @property
    def rates(self) -> tuple[Numbers, Numbers]:
        """The rates of losses of champion and candidate over the same mix of strata."""

        def rate(lost: Numbers, events: Numbers) -> Numbers:
            each = np.divide(lost, events, out=np.zeros(lost.shape), where=events > 0)
            return np.asarray((self.weights * each).sum(axis=-1), np.float64)

        return (
            rate(self.lost_by_champion, self.champion),
            rate(self.lost_by_candidate, self.candidate),
        )


def log_evidence(
    strata: Strata, difference: Numbers | float, side: Literal["above", "below"]
) -> Numbers:
    """The log of the evidence, by now, that the difference lies above (below) `difference`.

    The difference is the candidate's rate less the champion's. An event that met the candidate
    with probability w gives X = loss / w if it did and X = -loss / (1 - w) if it met the
    champion, whose mean is the difference of that event's own rates: so nothing need stay the
    same over time but who is chosen, by chance alone. The evidence against "at most m" is what
    who bets against it wins, with stakes fixed beforehand (Waudby-Smith and Ramdas 2024, Journal
    of the Royal Statistical Society B 86; weighted by inverse probabilities as in Waudby-Smith,
    Wu, Ramdas, Karampatziakis and Mineiro 2022, arXiv:2210.10768):

        K(m) = mean over stakes l of the product over events of (1 + l (X - m))

    Where each mean is at most m it is a supermartingale that begins at 1 and ever reaches
    1 / alpha with a probability of at most alpha (Ville). Losses are 0 or 1, so that counts are
    enough. Of a mirrored event both terms are multiplied as if they were of two: they have
    opposite signs, so that the product is less than the true one.
    """
    sign = 1.0 if side == "above" else -1.0
    m = np.asarray(difference, np.float64)[..., None]
    gain, loss = 1 / strata.share, 1 / strata.others
    worst = np.where(sign > 0, loss + m, gain - m)  # lost where a bet of 1 goes wrong
    best = strata.share * strata.others / (strata.share + strata.others)
    none = strata.events - strata.lost_by_candidate - strata.lost_by_champion
    stakes = _STAKES.reshape(-1, *[1] * np.broadcast(worst, none).ndim)
    bet = sign * np.minimum(stakes * best, _MOST / np.maximum(worst, 1e-9))
    logs = (
        strata.lost_by_candidate * np.log1p(bet * (gain - m))
        + strata.lost_by_champion * np.log1p(-bet * (loss + m))
        + none * np.log1p(-bet * m)
    ).sum(axis=-1)
    top = logs.max(axis=0)
    return np.asarray(top + np.log(np.tensordot(_SHARES, np.exp(logs - top), 1)), np.float64)


def low(strata: Strata, alpha: float) -> Numbers:
    """The least difference that is still possible, at all looks at once with 1 - alpha."""
    return _bound(strata, alpha, "above")


def high(strata: Strata, alpha: float) -> Numbers:
    """The greatest difference that is still possible: see `low`."""
    return _bound(strata, alpha, "below")


def _bound(strata: Strata, alpha: float, side: Literal["above", "below"]) -> Numbers:
    champion, candidate = strata.rates
    inner = candidate - champion
    outer = np.full(inner.shape, -1.0 if side == "above" else 1.0)
    for _ in range(_HALVINGS):
        middle = (inner + outer) / 2
        out = log_evidence(strata, middle, side) >= -math.log(alpha)
        outer, inner = np.where(out, middle, outer), np.where(out, inner, middle)
    return np.asarray(outer, np.float64)
