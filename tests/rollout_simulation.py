"""Many rollouts side by side, by chance: what the judge goes by, for all runs at once.

`tests/experiments/test_judge_by_chance.py` holds a few of them to the judge itself.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from mlops_cli.config.sections.rollout import RolloutConfig
from mlops_cli.evaluation import sequential_counts as counts
from mlops_cli.evaluation.sequential import reach, share_p_values
from mlops_cli.evaluation.sequential_difference import Strata, log_evidence
from mlops_cli.experiments.comparisons import Looks, looks_of
from mlops_cli.experiments.evidence import Arm, ArmStep, Evidence, LoggedArm, Moments
from mlops_cli.experiments.guards import MISMATCH
from mlops_cli.experiments.latencies import LATENCY_PAIRS, LATENCY_REQUESTS, QUANTILES

Floats = NDArray[np.float64]
BUCKETS = 160  # log-normal latencies, of which a bucket is 5 %
_TAIL = np.exp(-(((np.arange(BUCKETS) - 70) / 12.0) ** 2) / 2)
LATENCY = _TAIL / _TAIL.sum()
_OWN = (-3, 0, 3)  # buckets that a latency of a pair is from what both share
_PAIRS = LATENCY[:, None, None] * np.outer(weights := np.array([0.25, 0.5, 0.25]), weights)
_LEVELS = np.linspace(0.025, 0.975, 20)  # of predicted probabilities, all alike and calibrated
_SAID = np.concatenate([_LEVELS, _LEVELS])
_LOSS = -np.log(np.concatenate([_LEVELS, 1 - _LEVELS]))
ANSWER = np.concatenate([_LEVELS, 1 - _LEVELS]) / len(_LEVELS)


@dataclass
class Runs:
    """The runs of rollouts with these settings; axes: run, arm (champion, candidate), and so on.

    `rates` are the arms' error rates. Where `goes_on` is not set each stays at its first step.
    `paired`: a latency is taken of both arms together, where the candidate answers.
    """

    settings: RolloutConfig
    runs: int
    rates: tuple[float, float] = (0.02, 0.02)
    goes_on: bool = True
    paired: bool = False
    seed: int = 0
    step: NDArray[np.int64] = field(init=False)
    met: Floats = field(init=False)
    errors: Floats = field(init=False)
    latency: NDArray[np.int64] = field(init=False)
    said: Floats = field(init=False)

    def __post_init__(self) -> None:
        self.random = np.random.default_rng(self.seed)
        self.percents = np.array([w for w in self.settings.weights if w < 100])
        shape = self.runs, 2, len(self.percents)
        self.step = np.zeros(self.runs, np.int64)
        self.met, self.errors = np.zeros(shape), np.zeros(shape)
        self.latency = np.zeros((self.runs, 2, BUCKETS), np.int64)  # of the step
        self.quicker = np.zeros((self.runs, BUCKETS), np.int64)
        self.said = np.zeros((*shape, len(ANSWER)))
        self.looks: Looks = looks_of(self.settings, self.settings.judge.rules)
        self.done = np.zeros(self.runs, bool)
        self.ended: dict[str, Floats] = {}  # by rule: requests of the candidate, or infinite
        for name in ("naive", "sample_ratio", *(r.metric for r in self.settings.judge.rules)):
            self.ended[name] = np.full(self.runs, math.inf)

    def look(self, requests: int) -> None:
        """So many requests more in each run, then a look."""
        at = np.minimum(self.step, len(self.percents) - 1)
        of_candidate = self.random.binomial(requests, self.percents[at] / 100)
        every = np.arange(self.runs)
        for arm, met in enumerate((requests - of_candidate, of_candidate)):
            met = np.where(self.done, 0, met)
            failed = self.random.binomial(met, self.rates[arm])
            self.met[every, arm, at] += met
            self.errors[every, arm, at] += failed
            if not self.paired:
                self.latency[:, arm] += self.random.multinomial(met - failed, LATENCY)
            elif arm == 1:
                self._pairs(met - failed)
            self.said[every, arm, at] += self.random.multinomial(met - failed, ANSWER)
        within = self._judge()
        if self.goes_on:
            enough = self.met[every, :, at].min(axis=1) >= self.settings.judge.min_requests
            forward = within & enough & ~self.done
            self.step += forward
            self.latency[forward] = self.quicker[forward] = 0
            self.done |= self.step >= len(self.percents)

    def _pairs(self, count: Floats) -> None:
        """Two latencies share what befell both, and each has its own beside it."""
        drawn = self.random.multinomial(count.astype(int), _PAIRS.ravel())
        drawn = drawn.reshape(self.runs, BUCKETS, len(_OWN), len(_OWN))
        for i, first in enumerate(_OWN):
            for j, second in enumerate(_OWN):
                for arm, own in enumerate((first, second)):
                    self.latency[:, arm] += np.roll(drawn[:, :, i, j], own, axis=1)
                self.quicker += np.roll(drawn[:, :, i, j], min(first, second), axis=1)

    @property
    def strata(self) -> Strata:
        """Requests and errors by step."""
        return Strata(
            candidate=self.met[:, 1],
            champion=self.met[:, 0],
            lost_by_candidate=self.errors[:, 1],
            lost_by_champion=self.errors[:, 0],
            share=self.percents / 100,
            mirrored=np.zeros(len(self.percents), bool),
        )

    def _judge(self) -> NDArray[np.bool_]:
        """Note which rules would end a run now; returns where all estimates are within."""
        begun = self.met.sum(axis=2).min(axis=1) >= self.settings.judge.min_requests
        within = np.ones(self.runs, bool)
        for rule in self.settings.judge.rules:
            sure, size = self._rules[rule.metric](rule.metric)
            beyond = size > rule.bound.value
            self._end(rule.metric, sure & beyond & begun & ~self.done)
            if rule.then == "rollback":
                self.done |= np.isfinite(self.ended[rule.metric]) & self.goes_on
            within &= ~beyond
        self._end("naive", self._naive() & begun & ~self.done)
        self._end("sample_ratio", self._mismatch() & ~self.done)
        return within

    @property
    def _rules(self) -> dict[str, Callable[[str], tuple[NDArray[np.bool_], Floats]]]:
        return {
            "error_rate": self._failures,
            "latency_p50": self._slower,
            "latency_p99": self._slower,
            "prediction_mean": self._mean,
            "label": self._mean,
        }

    def _end(self, name: str, now: NDArray[np.bool_]) -> None:
        new = now & np.isinf(self.ended[name])
        self.ended[name][new] = self.met[new, 1].sum(axis=-1)

    def _failures(self, _: str) -> tuple[NDArray[np.bool_], Floats]:
        champion, candidate = self.strata.rates
        sure = log_evidence(self.strata, 0.0, "above") >= -math.log(self.looks.alpha)
        return sure, candidate - champion

    def _slower(self, metric: str) -> tuple[NDArray[np.bool_], Floats]:
        q = QUANTILES[metric]
        champion, candidate = self.latency[:, 0], self.latency[:, 1]
        distance = counts.quantile_bucket(candidate, q) - counts.quantile_bucket(champion, q)
        size = 1.05**distance - 1
        alpha = self.looks.of_step(0)  # each planned step has the same
        if self.paired:
            enough = self.quicker.sum(axis=1) >= LATENCY_PAIRS
            wide = (np.pad(h, ((0, 0), (0, 240))) for h in (champion, candidate, self.quicker))
            sure = counts.more_often_above(*wide, q, alpha)
            return enough & sure, np.where(enough, size, 0.0)
        alpha /= 2
        high = counts.quantile_buckets(champion, q, alpha).high
        low = counts.quantile_buckets(candidate, q, alpha).low
        enough = self.latency.sum(axis=2).min(axis=1) >= LATENCY_REQUESTS
        return enough & (low > high), np.where(enough, size, 0.0)

    def _mean(self, metric: str) -> tuple[NDArray[np.bool_], Floats]:
        value = _SAID if metric == "prediction_mean" else _LOSS
        n = self.said.sum(axis=3)
        usable = (n.min(axis=1) >= 30)[:, None]
        safe = np.maximum(n, 2)
        mean = self.said @ value / safe
        variance = np.maximum(self.said @ value**2 / safe - mean**2, 0) * safe / (safe - 1)
        told = np.where(usable[:, 0], safe[:, 0] * safe[:, 1] / safe.sum(axis=1), 0)
        weights = told / np.maximum(told.sum(axis=1, keepdims=True), 1e-9)
        difference = (weights * (mean[:, 1] - mean[:, 0])).sum(axis=1)
        error = np.sqrt((weights**2 * (variance / safe).sum(axis=1)).sum(axis=1))
        clock = np.maximum(told.sum(axis=1), 1e-9) / max(500, self.settings.judge.min_requests)
        two = metric == "prediction_mean"
        freedom = np.where(usable, n, 0).sum(axis=(1, 2)) - 2 * usable[:, 0].sum(axis=1)
        far = reach(clock, self.looks.alpha * (1 if two else 1.99), np.maximum(freedom, 1))
        far = np.where(np.isinf(far), np.inf, np.where(np.isinf(far), 0, far) * error)
        size = np.abs(difference) if two else difference
        return (size > far) & (told.sum(axis=1) > 0), size

    def _naive(self) -> NDArray[np.bool_]:
        """The t test of two shares at 5 %, as if there were one look: worse, and by the margin."""
        n, k = self.met.sum(axis=2), self.errors.sum(axis=2)
        rate = k / np.maximum(n, 1)
        error = np.sqrt((rate * (1 - rate) / np.maximum(n, 1)).sum(axis=1))
        return np.asarray(rate[:, 1] - rate[:, 0] > 1.6449 * np.maximum(error, 1e-12))

    def _mismatch(self) -> NDArray[np.bool_]:
        found = np.zeros(self.runs, bool)
        spent = Looks(MISMATCH, MISMATCH, len(self.percents))
        for s, percent in enumerate(self.percents):
            hits, total = self.met[:, 1, s], self.met[:, :, s].sum(axis=1)
            p = share_p_values(hits[:, None], total[:, None], percent / 100)[:, -1]
            found |= p <= spent.of_step(s)
        return found

    def evidence(self, run: int) -> Evidence:
        """One run, as the judge gets it."""
        steps = range(min(int(self.step[run]) + 1, len(self.percents)))
        arms: tuple[Arm, Arm] = ("champion", "candidate")
        cells = [[self._cell(run, arm, s) for s in steps] for arm in (0, 1)]
        logged = [
            LoggedArm(s, name, int(n.sum()), int(n.sum()), {"label": _moments(n, _LOSS)})
            for arm, name in enumerate(arms)
            for s in steps
            if (n := self.said[run, arm, s]).sum()
        ]
        return Evidence(tuple(cells[0]), tuple(cells[1]), logged=tuple(logged))

    def _cell(self, run: int, arm: int, step: int) -> ArmStep:
        said = _moments(self.said[run, arm, step], _SAID)
        none = np.zeros(BUCKETS, int)
        found = self.latency[run, arm] if step == self.step[run] else none
        quicker = self.quicker[run] if arm == 1 and step == self.step[run] else none
        return ArmStep(
            step,
            int(self.met[run, arm, step]),
            int(self.errors[run, arm, step]),
            said.count,
            said.sum,
            said.squares,
            {b: int(n) for b, n in enumerate(found) if n},
            quicker={b: int(n) for b, n in enumerate(quicker) if n},
        )


def _moments(n: Floats, value: Floats) -> Moments:
    return Moments(int(n.sum()), float(n @ value), float(n @ value**2))
