"""The difference of two arms: exact at every look, whatever else changes in the meantime."""

from __future__ import annotations

import math

import numpy as np
import pytest

from mlops_cli.evaluation.sequential_difference import Strata, high, log_evidence, low

ALPHA = 0.05
THRESHOLD = -math.log(ALPHA)


class World:
    """Runs of two arms, in which the rates of both may be another at each look."""

    def __init__(self, runs: int, shares: list[float], *, mirrored: bool = False) -> None:
        self.random = np.random.default_rng(0)
        self.shares = np.array(shares)
        self.mirrored = np.full(len(shares), mirrored)
        self.met = np.zeros((2, runs, len(shares)))
        self.lost = np.zeros((2, runs, len(shares)))
        self.runs = runs

    def look(self, at: int, events: int, champion: float, candidate: float) -> None:
        chosen = self.random.binomial(events, self.shares[at], self.runs)
        others = np.full(self.runs, events) if self.mirrored[at] else events - chosen
        for arm, (met, rate) in enumerate(((others, champion), (chosen, candidate))):
            self.met[arm, :, at] += met
            self.lost[arm, :, at] += self.random.binomial(met, rate)

    @property
    def strata(self) -> Strata:
        met, lost = self.met, self.lost
        return Strata(met[1], met[0], lost[1], lost[0], self.shares, self.mirrored)


def missed(runs: int, looks: int, each: int, *, difference: float, **world: bool) -> list[float]:
    """How often bounds ever missed the difference while the common rate wandered in a day."""
    of = World(runs, [0.05, 0.25, 0.5], **world)
    ever = np.zeros((2, runs), bool)
    for look in range(looks):
        rate = 0.02 + 0.08 * (1 + math.sin(look / 9)) * (look % 7 == 0)  # and in bursts
        of.look(3 * look // looks, each, rate, rate + difference)
        ever[0] |= log_evidence(of.strata, difference, "above") >= THRESHOLD
        ever[1] |= log_evidence(of.strata, difference, "below") >= THRESHOLD
    return [float(each) for each in ever.mean(axis=1)]


@pytest.mark.parametrize("difference", [0.0, 0.03])
@pytest.mark.parametrize("mirrored", [False, True])
def test_the_difference_stays_within_its_bounds(difference: float, mirrored: bool) -> None:
    assert max(missed(300, 60, 400, difference=difference, mirrored=mirrored)) <= ALPHA + 0.02


@pytest.mark.slow
@pytest.mark.parametrize("difference", [0.0, 0.01, 0.03])
@pytest.mark.parametrize("mirrored", [False, True])
def test_it_does_at_a_thousand_looks(difference: float, mirrored: bool) -> None:
    found = missed(2_000, 1_000, 100, difference=difference, mirrored=mirrored)
    assert max(found) <= ALPHA + 0.01


def test_a_mix_of_hours_is_no_difference() -> None:
    """Pooled, the candidate has seven times the champion's rate; by step both have the same."""
    of = World(200, [0.05, 0.5])
    of.look(0, 100_000, 0.001, 0.001)
    of.look(1, 10_000, 0.1, 0.1)
    pooled = of.lost.sum(axis=2) / of.met.sum(axis=2)
    assert np.median(pooled[1] / pooled[0]) > 7
    champion, candidate = of.strata.rates
    assert np.median(candidate / champion) == pytest.approx(1, abs=0.05)
    assert (log_evidence(of.strata, 0.0, "above") >= THRESHOLD).mean() <= ALPHA


def test_bounds_close_in_on_the_difference_and_are_where_the_evidence_ends() -> None:
    of = World(40, [0.5])
    widths = []
    for _ in range(3):
        of.look(0, 20_000, 0.02, 0.03)
        least, most = low(of.strata, ALPHA), high(of.strata, ALPHA)
        widths.append(float((most - least).mean()))
    assert log_evidence(of.strata, least, "above") == pytest.approx(THRESHOLD, abs=1e-6)
    assert np.all((least > 0) & (least < 0.01) & (most > 0.01))
    assert widths[0] > widths[1] > widths[2]
    assert widths[2] < 0.009  # a fixed one of 90 % has 0.0041 of 60,000 events


def test_no_error_at_all_and_nothing_but_errors_are_bounded_too() -> None:
    none = Strata(*(np.array([x]) for x in (500.0, 9_500.0, 0.0, 0.0, 0.05)), np.array([False]))
    assert float(low(none, ALPHA)) < 0 < float(high(none, ALPHA)) < 0.05
    every = Strata(*(np.array([x]) for x in (500.0, 9_500.0, 500.0, 0.0, 0.05)), np.array([False]))
    assert 0.5 < float(low(every, ALPHA)) < 1
