"""The conditions of alerts: a closed grammar of a metric, a comparison and a bound.

    condition = metric [(">" | "<" | ">=" | "<=") bound]
    bound     = number ["ms" | "s" | "%"]  |  "baseline" [("+" | "-") number ["%"]]

`drift`, `target_drift`, `concept_drift` and `skew` alone are conditions: they are yes or no. A
bound in percent of the baseline is relative to it (`roc_auc < baseline - 5%`: below 95 % of what
training measured).
"""

from __future__ import annotations

import difflib
import operator
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from types import MappingProxyType

from mlops_cli.config.metrics import METRICS

YES_OR_NO = ("drift", "target_drift", "concept_drift", "skew")
SHARES = ("prediction_drift", "null_rate", "unseen_rate", "out_of_range", "error_rate")
LATENCIES = ("latency_p50", "latency_p95", "latency_p99", "latency_mean")
VOLUME = "volume"
ESTIMATED = "estimated_"
OF_MODELS = tuple(dict.fromkeys(name for names in METRICS.values() for name in names))
COVERAGE = "coverage"  # of a regression's intervals
KNOWN = (
    *YES_OR_NO, *SHARES, VOLUME, *LATENCIES, *OF_MODELS, COVERAGE,
    *(f"{ESTIMATED}{m}" for m in OF_MODELS),
)  # fmt: skip
_UNBOUNDED = ("log_loss", "rmse", "mae", "r2")  # a percentage of nothing is no bound on these
_NUMBER = r"(?P<number>\d{1,12}(?:\.\d{1,12})?)\s*(?P<unit>ms|s|%)?"
_FORM = re.compile(
    r"\s*(?P<metric>[A-Za-z_]\w*)\s*(?:(?P<sign><=|>=|<|>)\s*(?:"
    rf"(?P<baseline>baseline)(?:\s*(?P<plus>[+-])\s*{_NUMBER.replace('P<', 'P<by_')})?|{_NUMBER}"
    r"))?\s*",
    re.ASCII,
)
_SIGNS: Mapping[str, Callable[[float, float], bool]] = MappingProxyType(
    {">": operator.gt, "<": operator.lt, ">=": operator.ge, "<=": operator.le}
)
_LIKE = "a condition is such as `drift`, `latency_p99 > 200ms` or `roc_auc < baseline - 5%`"


@dataclass(frozen=True)
class Condition:
    """A condition that was read; `text` is how it was written, but for white space.

    `bound` is in milliseconds, a share of 1, rows, or the metric's own unit; with `of_baseline` it
    is added to the baseline, as a share of its size where `relative`.
    """

    text: str
    metric: str
    sign: str
    bound: float
    of_baseline: bool = False
    relative: bool = False

    @cached_property
    def above(self) -> bool:
        """Whether it asks for more than the bound, rather than less."""
        return self.sign.startswith(">")

    def threshold(self, baseline: float | None) -> float | None:
        """The bound as a number; None where it needs a baseline and there is none."""
        if not self.of_baseline:
            return self.bound
        if baseline is None:
            return None
        return baseline + self.bound * (abs(baseline) if self.relative else 1.0)

    def holds(self, value: float, threshold: float) -> bool:
        """Whether the value is beyond the threshold."""
        return _SIGNS[self.sign](value, threshold)


def parse_condition(text: str) -> Condition:
    """The condition that `text` is; raises `ValueError`, with the nearest metric for a typo."""
    match = _FORM.fullmatch(text)
    if match is None:
        raise ValueError(f"{text[:80]!r} is no condition: {_LIKE}")
    metric, sign = match["metric"], match["sign"]
    if metric not in KNOWN:
        raise ValueError(unknown_metric(metric, KNOWN))
    plain = " ".join(text.split())
    if sign is None:
        if metric not in YES_OR_NO:
            raise ValueError(
                f"{metric} alone is no condition: compare it, as in `{_example(metric)}`"
            )
        return Condition(plain, metric, ">", 0.0)
    if metric in YES_OR_NO:
        raise ValueError(f"{metric} is yes or no: the condition is `{metric}` alone")
    if match["baseline"]:
        return _of_baseline(plain, match)
    bound = _bound(metric, float(match["number"]), match["unit"])
    return Condition(plain, metric, sign, bound)


def _of_baseline(text: str, match: re.Match[str]) -> Condition:
    metric, unit = match["metric"], match["by_unit"]
    number = float(match["by_number"] or 0) * (-1 if match["plus"] == "-" else 1)
    if unit == "%":
        return Condition(text, metric, match["sign"], number / 100, of_baseline=True, relative=True)
    if number:
        number = _bound(metric, number, unit)
    return Condition(text, metric, match["sign"], number, of_baseline=True)


def _bound(metric: str, number: float, unit: str | None) -> float:
    """The number in the metric's own unit; raises `ValueError` for a unit that it does not have."""
    example = _example(metric)
    if metric in LATENCIES:
        if unit not in ("ms", "s"):
            raise ValueError(f"{metric} is compared with milliseconds or seconds: `{example}`")
        return number * (1000 if unit == "s" else 1)
    plain = metric.removeprefix(ESTIMATED)
    percent = metric != VOLUME and plain not in _UNBOUNDED
    if unit in ("ms", "s") or (unit == "%" and not percent):
        raise ValueError(f"{metric} has no unit {unit}: `{example}`")
    if unit == "%":
        return number / 100
    if metric in SHARES and abs(number) > 1:
        raise ValueError(f"{metric} is a share: write {number:g}% for {number:g} percent")
    return number


def _example(metric: str) -> str:
    if metric in LATENCIES:
        return f"{metric} > 200ms"
    if metric in SHARES:
        return f"{metric} > 5%"
    return f"{metric} < 1000" if metric == VOLUME else f"{metric} < baseline - 5%"


def unknown_metric(name: str, known: tuple[str, ...]) -> str:
    """What to tell about a name that is none of `known`: the nearest one, or all of them."""
    near = difflib.get_close_matches(name, known, n=1, cutoff=0.6)
    meant = f"did you mean {near[0]}?" if near else f"known: {', '.join(known)}"
    return f"there is no metric {name[:80]!r}: {meant}"


def metrics_of(task: str) -> tuple[str, ...]:
    """The metrics that a condition may be on in a project with this task."""
    own = METRICS[task]
    covered = (COVERAGE,) if task == "regression" else ()
    return (*KNOWN[: KNOWN.index(OF_MODELS[0])], *own, *covered, *(f"{ESTIMATED}{m}" for m in own))
