"""The quantiles of both arms' latencies at one step, and how far they surely are apart.

Latencies of other hours are not comparable, so that each step is judged by itself. Where each was
taken together with one of the other arm, a pair varies far less than two of other moments do.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from types import MappingProxyType

from mlops_cli.config.sections.rollout import RolloutConfig, RuleConfig
from mlops_cli.evaluation import sequential_counts as counts
from mlops_cli.experiments.comparisons import Compared, Looks, unit_of
from mlops_cli.experiments.evidence import (
    CANDIDATE,
    CHAMPION,
    GROWTH,
    SHORTEST_MS,
    ArmStep,
    Evidence,
    Stage,
    by_bucket,
)
from mlops_cli.experiments.means import logged

QUANTILES: Mapping[str, float] = MappingProxyType({"latency_p50": 0.50, "latency_p99": 0.99})
LATENCY_REQUESTS = 2_000  # of each arm in the step, before latencies are compared
LATENCY_PAIRS = 500  # in the step, where each is taken of both arms together
Cells = tuple[ArmStep, ArmStep]  # of the champion, and of the candidate


def latencies(
    rule: RuleConfig, evidence: Evidence, config: RolloutConfig, stage: Stage, looks: Looks
) -> Compared:
    """A rule on a quantile, in this step."""
    pair = evidence.at(CHAMPION, stage.step), evidence.at(CANDIDATE, stage.step)
    there = [int(arm.histogram.sum()) for arm in pair]
    paired = sum(pair[1].quicker.values()) == there[1] == there[0]
    asked = LATENCY_PAIRS if paired else LATENCY_REQUESTS
    if min(there) < asked or stage.step not in stage.compared:
        return Compared(
            rule,
            missing=f"{asked:,} latencies of each arm in this step; there are "
            f"{there[1]:,} of the candidate and {there[0]:,} of the champion",
        )
    q = QUANTILES[rule.metric]
    champion, candidate = (quantile_ms(arm, q) for arm in pair)
    unit = unit_of(rule, champion)
    alpha = looks.of_step(stage.compared.index(stage.step))
    least, sure = _surely_slower(pair, q, alpha)
    if paired:
        both = pair[0].histogram, pair[1].histogram, by_bucket(pair[1].quicker)
        sure = bool(counts.more_often_above(*both, q, alpha))
        least = max(least, 0.0) if sure else -math.inf
    elif config.sticky:  # a key's requests are alike: their share of slow ones is its one value
        found = logged(rule, evidence, config, stage, looks)
        if found.missing:
            return found
        sure, least = found.sure, 0.0 if found.sure else -math.inf
    return Compared(
        rule,
        champion=champion,
        candidate=candidate,
        estimate=(candidate - champion) / unit,
        low=least / unit,
        most=_most_slower(pair, q, looks.all_of_it) / unit,
        sure=sure,
    )


def quantile_ms(arm: ArmStep, q: float) -> float:
    """A quantile of an arm's latencies in milliseconds; NaN where there are none."""
    if not arm.latency:
        return math.nan
    return float(edge_ms(float(counts.quantile_bucket(arm.histogram, q)) - 1))


def edge_ms(bucket: float) -> float:
    """The upper edge of a bucket."""
    return float(SHORTEST_MS * GROWTH ** min(bucket, 600.0))


def _surely_slower(pair: Cells, q: float, alpha: float) -> tuple[float, bool]:
    """By how many milliseconds the candidate's quantile is above the champion's, at least."""
    champion, candidate = (counts.quantile_buckets(arm.histogram, q, alpha / 2) for arm in pair)
    least = edge_ms(float(candidate.low) - 1) - edge_ms(float(champion.high))
    return least, bool(candidate.low > champion.high)


def _most_slower(pair: Cells, q: float, alpha: float) -> float:
    champion, candidate = (counts.quantile_buckets(arm.histogram, q, alpha / 2) for arm in pair)
    if candidate.high >= len(pair[1].histogram):
        return math.inf
    return edge_ms(float(candidate.high)) - edge_ms(float(champion.low) - 1)
