"""What one rule compares: the difference of both arms, with bounds that hold at every look."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from mlops_cli.config.sections.rollout import MEAN, RolloutConfig, RuleConfig


@dataclass(frozen=True, slots=True)
class Compared:
    """The candidate less the champion, in the unit of the rule's margin; more is worse.

    `low` holds with the rule's share of alpha, as does `high` where a rule has both sides; `most`
    is what a proof asks for, with all of alpha. `sure`: it is not chance. `champion` and
    `candidate` are the values themselves. `missing` says what is not there yet, and then nothing
    is concluded.
    """

    rule: RuleConfig
    champion: float = math.nan
    candidate: float = math.nan
    estimate: float = math.nan
    low: float = -math.inf
    high: float = math.inf
    most: float = math.inf
    sure: bool = False
    missing: str = ""

    @property
    def beyond(self) -> bool:
        """Whether the estimate is more than the rule allows."""
        size = abs(self.estimate) if self.rule.metric == MEAN else self.estimate
        return size > self.rule.bound.value

    @property
    def proven(self) -> bool:
        """Whether it surely is not more than the rule allows."""
        return self.most < self.rule.bound.value


@dataclass(frozen=True, slots=True)
class Looks:
    """What chance a rule's verdict may take: `alpha` of the whole, in `steps` where each counts."""

    alpha: float
    all_of_it: float
    steps: int

    def of_step(self, place: int) -> float:
        """What the step of that place (from 0) may take, where each is judged by itself.

        Nine tenths are for the steps that are planned; what comes beyond shares the rest.
        """
        if place < self.steps:
            return 0.9 * self.alpha / self.steps
        beyond = place - self.steps + 1
        return 0.1 * self.alpha / (beyond * (beyond + 1))


def looks_of(config: RolloutConfig, rules: Sequence[RuleConfig]) -> Looks:
    """Alpha spent over all rules alike."""
    planned = max(1, sum(weight < 100 for weight in config.weights))
    alpha = config.judge.alpha
    return Looks(alpha / max(1, len(rules)), alpha, planned)


def rules_of(config: RolloutConfig, task: str) -> tuple[RuleConfig, ...]:
    """The rules that can be held to: classes have no mean."""
    return tuple(r for r in config.judge.rules if task != "multiclass" or r.metric != MEAN)


def unit_of(rule: RuleConfig, champion: float) -> float:
    """What the difference is measured in: the champion's own value where the margin is a share."""
    return max(champion, 1e-12) if rule.bound.relative else 1.0
