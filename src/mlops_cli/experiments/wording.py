"""What a comparison says, in a sentence with its numbers."""

from __future__ import annotations

import math

from mlops_cli.config.sections.rollout import LABEL, LATENCIES, MEAN, RuleConfig
from mlops_cli.experiments.comparisons import Compared


def sentence(found: Compared, task: str) -> str:
    """The comparison, as it stands: both values, their difference, and what the rule allows."""
    rule = found.rule
    if found.missing:
        return f"{rule.metric}: there have to be {found.missing}"
    values = (
        f"{rule.metric}: candidate {value(rule.metric, found.candidate, task)}, "
        f"champion {value(rule.metric, found.champion, task)}"
    )
    allowed = f"the rule allows {amount(rule, rule.bound.value, task)}"
    size = amount(rule, abs(found.estimate), task)
    way = _way(rule, found.estimate)
    if not found.beyond:
        return f"{values}: {size} {way}, and {allowed}"
    if found.sure:
        return f"{values}: {size} {way}, surely {_surely(found, task)}, and {allowed}"
    return f"{values}: {size} {way}, which may be chance, and {allowed}"


def not_proven(found: Compared, task: str) -> str:
    """That more than the rule allows is still possible."""
    most = (
        "any difference is"
        if math.isinf(found.most)
        else f"up to {amount(found.rule, found.most, task)} are"
    )
    allowed = amount(found.rule, found.rule.bound.value, task)
    return f"{found.rule.metric}: {most} still possible, and `prove` asks for less than {allowed}"


def _way(rule: RuleConfig, estimate: float) -> str:
    if rule.metric == MEAN:
        return "higher" if estimate > 0 else "lower"
    return "more" if estimate > 0 else "less"


def _surely(found: Compared, task: str) -> str:
    least = found.low if found.low > 0 else -found.high
    if least <= 0 or math.isinf(least):
        return "more than nothing"
    return f"{amount(found.rule, least, task)} or more"


def value(metric: str, number: float, task: str) -> str:
    """A value of a metric, in its unit."""
    if metric == "error_rate":
        return _percent(number)
    if metric in LATENCIES:
        return f"{number:.3g} ms"
    what = " mean absolute error" if metric == LABEL and task == "regression" else ""
    return f"{number:.4g}{what}"


def amount(rule: RuleConfig, number: float, task: str) -> str:
    """A difference, in the unit of the rule's margin; in percent it is of the champion's value."""
    if rule.bound.relative or (rule.metric == LABEL and task == "regression"):
        return _percent(number)
    if rule.metric == "error_rate":
        return f"{number * 100:.3g} percentage points"
    if rule.metric in LATENCIES:
        return f"{number:.3g} ms"
    unit = " standard deviations" if rule.metric == MEAN and task == "regression" else ""
    return f"{number:.3g}{unit}"


def _percent(share: float) -> str:
    return f"{share * 100:.3g} %"
