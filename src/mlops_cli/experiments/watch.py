"""After a rollout: the new champion held to what was recorded of the old one."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

from mlops_cli.config.sections.rollout import (
    LABEL,
    MEAN,
    RolloutConfig,
    RuleConfig,
    WatchConfig,
)
from mlops_cli.experiments.comparisons import Looks
from mlops_cli.experiments.evidence import CANDIDATE, CHAMPION, ArmStep, Evidence, Stage
from mlops_cli.experiments.guards import against
from mlops_cli.experiments.judge import Verdict, figures
from mlops_cli.experiments.means import KEYS, Pair, means, moments_of
from mlops_cli.experiments.wording import amount, value


@dataclass(frozen=True, slots=True)
class BeforeAfter:
    """The old champion and the new one; `labels` are the losses of both, where they are known."""

    before: ArmStep
    now: ArmStep
    task: str
    labels: Pair | None = None


def watch(both: BeforeAfter, config: WatchConfig, rollout: RolloutConfig) -> Verdict:
    """Whether the new champion is to be rolled back, or not yet.

    A rule rolls back where the difference is beyond its margin and bounds part that hold at every
    look with `rollout.judge.alpha`. But it is before and after: other traffic is a difference,
    too, so that no rate of false alarms is promised. Of the verdict's arms the champion is the old
    one, and the candidate the new one.
    """
    evidence = Evidence((both.before,), (both.now,))
    arms = {arm: figures(evidence, arm) for arm in (CHAMPION, CANDIDATE)}
    asked = rollout.judge.min_requests
    if min(both.before.requests, both.now.requests) < asked:
        lacks = (
            f"min_requests: {asked:,} before and after; there were {both.before.requests:,} and "
            f"are {both.now.requests:,}"
        )
        return Verdict("hold", "none", (lacks,), arms)
    alpha = rollout.judge.alpha / len(config.rules)
    found = {rule.metric: _worse(rule, both, rollout, alpha) for rule in config.rules}
    worse = {metric: said for metric, said in found.items() if said}
    if worse:
        return Verdict("rollback", "rollback", tuple(worse.values()), arms, tuple(worse))
    return Verdict("hold", "none", ("by no rule is it surely worse than before",), arms)


def _worse(rule: RuleConfig, both: BeforeAfter, rollout: RolloutConfig, alpha: float) -> str | None:
    if rule.metric not in (MEAN, LABEL):
        return against(both.before, both.now, rule, alpha)
    pair = both.labels if rule.metric == LABEL else (moments_of(both.before), moments_of(both.now))
    if pair is None or min(m.count for m in pair) < max(KEYS, rollout.judge.min_requests):
        return None
    stage = Stage(0, {0: 50.0}, timedelta(0), both.task)
    found = means(rule, {0: pair}, rollout, stage, Looks(alpha, alpha, 1))
    if not (found.sure and found.beyond):
        return None
    then, now = (value(rule.metric, x, both.task) for x in (found.champion, found.candidate))
    more = amount(rule, abs(found.estimate), both.task)
    return f"{rule.metric} {now}, before {then}, {more} {'more' if found.estimate > 0 else 'less'}"
