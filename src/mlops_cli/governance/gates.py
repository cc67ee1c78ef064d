"""The gates that a model passes before it may become the champion."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING

from mlops_cli.bundle.manifest import short
from mlops_cli.config.model import MetricGate
from mlops_cli.errors import GateError, InconclusiveError, MlopsError
from mlops_cli.governance.decision import Decision, GateResult, Verdict

if TYPE_CHECKING:
    from mlops_cli.evaluation.paired import Comparison

NOT_WORSE = "champion: not_worse"
_UNFAIR = "worse, but the table's older rows have changed, and it may have learned some of these"


def metric_gate(gate: MetricGate, metrics: Mapping[str, float | None]) -> GateResult:
    """Hold a hold-out metric to its bound; the bound itself passes. What is no number does not."""
    value = metrics.get(gate.metric)
    sign, bound = (">=", gate.min) if gate.min is not None else ("<=", gate.max)
    said = f"{gate.metric} {sign} {bound:g}"
    if value is None or not math.isfinite(value):
        why = f"{gate.metric} could not be computed on the hold-out"
        return GateResult(said, "undecided", why, gate.metric, None, bound)
    passed = value >= gate.min if gate.min is not None else value <= (gate.max or 0.0)
    verdict: Verdict = "passed" if passed else "refused"
    why = f"{gate.metric} is {value:.6g}, and must be {sign} {bound:g}"
    return GateResult(said, verdict, why, gate.metric, value, bound)


def first_of_its_line(*, asked: bool) -> GateResult:
    """The champion gate where there is no champion to compare with, or none was wanted."""
    why = "comparing with a champion was not wanted (--first)" if asked else "no champion yet"
    return GateResult(NOT_WORSE, "passed", why)


def is_the_champion(digest: str) -> GateResult:
    """The champion gate for the champion's own digest."""
    return GateResult(NOT_WORSE, "passed", f"{short(digest)} is the champion")


def cannot_compare(champion: str, reason: str) -> GateResult:
    """The champion gate where the champion (its digest) cannot be scored on these rows."""
    why = f"the champion {short(champion)} cannot be scored on these hold-out rows: {reason}"
    return GateResult(NOT_WORSE, "undecided", why)


def champion_gate(
    comparison: Comparison, *, metric: str, champion: str, rows: int, fair: bool
) -> GateResult:
    """Refuse a model that is worse than the champion by more than chance explains.

    Where the champion may have been fitted on some of the rows (not `fair`), that flatters it:
    not worse is still not worse, and worse decides nothing.
    `docs/decisions/` says why it is a paired test, and what was weighed against it.
    """
    value, bound = comparison.candidate, comparison.champion
    if not comparison.decidable:
        why = f"{metric} cannot be computed on the {rows} rows of the hold-out"
        return GateResult(NOT_WORSE, "undecided", why, metric)
    worse: Verdict = "refused" if fair else "undecided"
    verdict: Verdict = "passed" if comparison.not_worse else worse
    if comparison.difference >= 0:
        told = "not worse"
    elif comparison.not_worse:
        told = "lower in worth, but chance may explain it"
    else:
        told = "worse, by more than chance explains" if fair else _UNFAIR
    why = (
        f"{metric} is {value:.6g}, and the champion {short(champion)} has {bound:.6g} on the same "
        f"{rows} rows: {told} (difference {comparison.difference:+.2g}, with 95 % confidence at "
        f"most {comparison.upper:+.2g})"
    )
    return GateResult(NOT_WORSE, verdict, why, metric, value, bound)


def refusal(decision: Decision) -> MlopsError:
    """The error that says no: `GateError`, or `InconclusiveError` where no gate truly refused."""
    failed = [g for g in decision.gates if not g.passed]
    champion = decision.champion
    stays = f"the champion stays {short(champion.digest)}" if champion else "there is no champion"
    message = f"{short(decision.digest)} is refused, {stays}: " + "; ".join(g.why for g in failed)
    if any(g.verdict == "refused" for g in failed):
        return GateError(message, hint="decision.json says why; `register.gates` holds the bounds")
    hint = "decision.json says why; give the hold-out more rows, or ask for another metric"
    if any(g.gate == NOT_WORSE for g in failed):
        hint = "decision.json says why; `mlops register --first` does without the champion"
    return InconclusiveError(message, hint=hint)
