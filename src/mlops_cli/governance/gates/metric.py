"""The gate of a hold-out metric and its bound."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

from mlops_cli.config.sections.register import MetricGate
from mlops_cli.governance.decision import GateResult, Verdict
from mlops_cli.governance.gates.base import Case


@dataclass(frozen=True, slots=True)
class MetricBound:
    """`{metric: NAME, min: BOUND}`, or `max`."""

    asked: MetricGate

    def evaluate(self, case: Case) -> GateResult:
        """See `Gate.evaluate`."""
        return hold(self.asked, case.metrics)


def open_gate(asked: MetricGate) -> MetricBound:
    """The gate that the configuration asks for."""
    return MetricBound(asked)


def hold(asked: MetricGate, metrics: Mapping[str, float | None]) -> GateResult:
    """Hold a hold-out metric to its bound; the bound itself passes, what is no number does not."""
    metric, value = asked.metric, metrics.get(asked.metric)
    sign, bound = (">=", asked.min) if asked.min is not None else ("<=", asked.max)
    gate = f"{metric} {sign} {bound:g}"
    if value is None or not math.isfinite(value):
        why = f"{metric} could not be computed on the hold-out"
        return GateResult(gate, "undecided", why, metric, None, bound)
    passed = value >= asked.min if asked.min is not None else value <= (asked.max or 0.0)
    verdict: Verdict = "passed" if passed else "refused"
    why = f"{metric} is {value:.6g}, and must be {sign} {bound:g}"
    return GateResult(gate, verdict, why, metric, value, bound)
