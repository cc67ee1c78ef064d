"""With `sticky` a key is one unit: heavy keys, whose requests are alike, mislead nobody."""

from __future__ import annotations

import sys

import numpy as np
import pytest

from mlops_cli.experiments.evidence import Arm, ArmStep, Evidence, LoggedArm, Moments
from mlops_cli.experiments.judge import judge
from rollout_worlds import arm, config, stage

SETTINGS = config(
    {"metric": "error_rate", "worse_by": 0.0001}, sticky=["who"], min_requests=100, hold="0s"
)
ARMS: tuple[Arm, Arm] = ("champion", "candidate")


class Keys:
    """Subjects with their own rates of errors, most of whose requests come from a few."""

    def __init__(self, seed: int, keys: int, *, worse: float = 0.0) -> None:
        self.random = np.random.default_rng(seed)
        self.weight = 1 / np.arange(1, keys + 1)
        self.weight /= self.weight.sum()
        self.candidate = self.random.random(keys) < 0.5
        self.rate = np.clip(self.random.beta(0.2, 4, keys) + worse * self.candidate, 0, 1)
        self.met, self.lost = np.zeros(keys, int), np.zeros(keys, int)

    def look(self, requests: int) -> None:
        met = self.random.multinomial(requests, self.weight)
        self.met += met
        self.lost += self.random.binomial(met, self.rate)

    def evidence(self) -> Evidence:
        cells: list[ArmStep] = []
        logged: list[LoggedArm] = []
        for name in ARMS:
            of = (self.candidate == (name == "candidate")) & (self.met > 0)
            value = self.lost[of] / self.met[of]
            cells.append(arm(0, int(self.met[of].sum()), int(self.lost[of].sum())))
            moments = Moments(len(value), float(value.sum()), float((value**2).sum()))
            logged.append(LoggedArm(0, name, len(value), 0, {"error_rate": moments}))
        return Evidence((cells[0],), (cells[1],), logged=tuple(logged))


def ends(runs: int, looks: int, **more: float) -> list[set[str]]:
    """What ever ended each run."""
    found = []
    for seed in range(runs):
        keys, by = Keys(seed, 600, **more), set[str]()
        for _ in range(looks):
            keys.look(300)
            by |= {*judge(keys.evidence(), SETTINGS, stage(0, 50)).by}
        found.append(by)
    return found


def share(found: list[set[str]], name: str) -> float:
    return sum(name in by for by in found) / len(found)


def test_heavy_keys_alarm_no_one_and_a_worse_candidate_is_found() -> None:
    equal = ends(60, 10)
    assert share(equal, "error_rate") <= 0.05
    assert share(equal, "sample_ratio") <= 0.05
    assert share(ends(20, 10, worse=0.1), "error_rate") >= 0.9


def test_over_requests_the_same_keys_would_look_like_a_mismatch() -> None:
    by_request = config({"metric": "error_rate", "worse_by": 0.0001}, min_requests=100)
    alarms = 0
    for seed in range(30):
        keys = Keys(seed, 600)
        keys.look(20_000)
        alarms += judge(keys.evidence(), by_request, stage(0, 50)).by == ("sample_ratio",)
    assert alarms >= 20


@pytest.mark.slow
def test_a_thousand_equal_rollouts_by_key() -> None:
    equal = ends(1_000, 40)
    sys.stdout.write(f"\n{ {n: share(equal, n) for n in ('error_rate', 'sample_ratio')} }")
    assert share(equal, "error_rate") <= 0.05
    assert share(equal, "sample_ratio") <= 0.01 + 0.007
