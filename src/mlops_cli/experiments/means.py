"""Means of both arms, of what tallies added up or of what the log has, and their difference."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import replace

import numpy as np

from mlops_cli.config.sections.rollout import LABEL, MEAN, RolloutConfig, RuleConfig
from mlops_cli.evaluation.sequential import reach
from mlops_cli.experiments.comparisons import Compared, Looks
from mlops_cli.experiments.evidence import CANDIDATE, CHAMPION, ArmStep, Evidence, Moments, Stage

KEYS = 30  # of each arm in the step, before anything is concluded of keys
_FEW = 30  # units of an arm in a step, before their mean is one
Pair = tuple[Moments, Moments]  # of the champion, and of the candidate


def moments_of(arm: ArmStep) -> Moments:
    """What was predicted, of the requests that an arm answered."""
    return Moments(arm.answered, arm.sum, arm.squares)


def predictions(evidence: Evidence, stage: Stage) -> dict[int, Pair]:
    """What both arms predicted, by step."""

    return {
        step: (moments_of(evidence.at(CHAMPION, step)), moments_of(evidence.at(CANDIDATE, step)))
        for step in stage.compared
    }


def logged(
    rule: RuleConfig, evidence: Evidence, config: RolloutConfig, stage: Stage, looks: Looks
) -> Compared:
    """A rule by the log: of all steps, or of this one by itself where units come again."""
    steps = [s for s in stage.compared if not config.sticky or s == stage.step]
    pairs: dict[int, Pair] = {}
    for step in steps:
        arms = [evidence.log_at(arm, step) for arm in (CHAMPION, CANDIDATE)]
        a, b = (arm.metrics.get(rule.metric) if arm else None for arm in arms)
        if a is not None and b is not None:
            pairs[step] = a, b
    there = [sum(pair[arm].count for pair in pairs.values()) for arm in (0, 1)]
    asked = KEYS if config.sticky else config.judge.min_requests
    if min(there, default=0) < asked:
        what = "keys" if config.sticky else "requests"
        what += " with a label" if rule.metric == LABEL else ""
        return Compared(
            rule,
            missing=f"{asked:,} {what} of each arm; the log has {there[1]:,} of the candidate and "
            f"{there[0]:,} of the champion",
        )
    if config.sticky:
        looks = replace(looks, alpha=looks.of_step(stage.compared.index(stage.step)))
    return means(rule, pairs, config, stage, looks)


def means(
    rule: RuleConfig,
    pairs: Mapping[int, Pair],
    config: RolloutConfig,
    stage: Stage,
    looks: Looks,
) -> Compared:
    """A difference of means, by steps weighted with what they tell of it.

    It is asymptotic: Waudby-Smith, Arbour, Sinha, Kennedy and Ramdas 2024; see
    `evaluation.sequential.reach`, whose two sides have twice the chance of one.
    """
    pairs = {s: p for s, p in pairs.items() if min(m.count for m in p) >= _FEW}
    if not pairs:
        return Compared(rule, missing=f"{_FEW} answers of each arm in a step")
    n = np.array([[m.count for m in p] for p in pairs.values()], np.float64)
    mean = np.array([[m.sum / m.count for m in p] for p in pairs.values()])
    square = np.array([[m.squares / m.count for m in p] for p in pairs.values()])
    variance = np.maximum(square - mean**2, 0.0) * n / (n - 1)
    told = n.prod(axis=1) / n.sum(axis=1)
    weights = told / told.sum()
    difference = float(weights @ (mean[:, 1] - mean[:, 0]))
    error = math.sqrt(float((weights**2) @ (variance / n).sum(axis=1)))
    champion, candidate = (float(v) for v in weights @ mean)
    unit = _unit_of_means(rule, stage, champion, float(weights @ variance[:, 0]))
    clock = float(told.sum()) / (KEYS if config.sticky else max(500, config.judge.min_requests))
    freedom = float(n.sum() - n.size)
    sides = 1.0 if rule.metric == MEAN else 1.99  # both sides are rarely left by one sequence
    reaches = float(reach(clock, looks.alpha * sides, freedom)) * error
    most = float(reach(clock, looks.all_of_it * 1.99, freedom)) * error
    low, high = difference - reaches, difference + reaches
    return Compared(
        rule,
        champion=champion,
        candidate=candidate,
        estimate=difference / unit,
        low=low / unit,
        high=high / unit,
        most=((abs(difference) if rule.metric == MEAN else difference) + most) / unit,
        sure=low > 0 or (rule.metric == MEAN and high < 0),
    )


def _unit_of_means(rule: RuleConfig, stage: Stage, champion: float, variance: float) -> float:
    """A regression's predictions are told in deviations, its losses in the champion's own."""
    if stage.task == "regression":
        size = math.sqrt(variance) if rule.metric == MEAN else champion
        return max(size, 1e-12)
    return max(champion, 1e-12) if rule.bound.relative else 1.0
