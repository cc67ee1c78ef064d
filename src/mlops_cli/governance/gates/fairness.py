"""The gate of how alike the groups of `data.sensitive` are treated on the hold-out."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from mlops_cli.config.sections.register import FairnessGate
from mlops_cli.errors import DataError
from mlops_cli.evaluation.fairness import Fairness
from mlops_cli.evaluation.groups import AND
from mlops_cli.evaluation.report import read_report
from mlops_cli.governance.decision import GateResult, Verdict
from mlops_cli.governance.gates.base import Case


@dataclass(frozen=True, slots=True)
class FairnessBound:
    """`{fairness: disparate_impact, min: 0.8}`, or a difference and its `max`."""

    asked: FairnessGate

    def evaluate(self, case: Case) -> GateResult:
        """See `Gate.evaluate`: by the evaluation that training wrote of this very model."""
        try:
            report = read_report(case.project.root)
        except DataError as e:
            return _undecided(self.asked, f"the evaluation cannot be read: {e.message}")
        if report.version != case.candidate.judged_digest:
            return _undecided(self.asked, "the evaluation is of another model: `mlops train`")
        return hold(self.asked, report.fairness)


def open_gate(asked: FairnessGate) -> FairnessBound:
    """The gate that the configuration asks for."""
    return FairnessBound(asked)


def hold(asked: FairnessGate, fairness: Mapping[str, Fairness]) -> GateResult:
    """Hold the worst of the columns (or the one that is asked for) to the bound.

    Pairs of columns count only where one is asked for by its name, `A & B`.
    """
    if asked.column is None:
        columns = [
            name for name, of in fairness.items() if AND not in name or not _pair(name, fairness)
        ]
    else:
        columns = [asked.column]
    if missing := [name for name in columns if name not in fairness]:
        known = ", ".join(fairness) or "none"
        return _undecided(asked, f"the evaluation has no groups of {missing[0]} (it has: {known})")
    values = {
        name: value for name in columns if (value := _value(asked, fairness[name])) is not None
    }
    if unknown := [name for name in columns if name not in values]:
        why = f"it could not be computed for {unknown[0]}: too few rows in its groups"
        return _undecided(asked, why)
    if not values:
        return _undecided(asked, "the evaluation has no groups: data.sensitive names no column")
    lowest = asked.min is not None
    worst = (min if lowest else max)(values, key=values.__getitem__)
    value = values[worst]
    passed = value >= asked.bound if lowest else value <= asked.bound
    verdict: Verdict = "passed" if passed else "refused"
    why = (
        f"{_told(asked, worst, fairness[worst], value)}, and must be {_sign(asked)} {asked.bound:g}"
    )
    return GateResult(_name(asked), verdict, why, asked.fairness, value, asked.bound)


def _pair(name: str, fairness: Mapping[str, Fairness]) -> bool:
    """Whether it is a pair of two other columns, and not a column of such a name."""
    first, _, second = name.partition(AND)
    return first in fairness and second in fairness


def _value(asked: FairnessGate, of: Fairness) -> float | None:
    if asked.fairness == "disparate_impact":
        return of.disparate_impact.value if of.disparate_impact else None
    return float(found) if (found := getattr(of, asked.fairness)) is not None else None


def _told(asked: FairnessGate, column: str, of: Fairness, value: float) -> str:
    """The figure with the groups that it is between."""
    impact = of.disparate_impact
    if asked.fairness == "disparate_impact" and impact is not None:
        low, high = (
            of.groups[name].selection_rate or 0.0 for name in (impact.lowest, impact.highest)
        )
        return (
            f"of {column} the group {impact.lowest} is selected in {low:.1%} of its rows and "
            f"{impact.highest} in {high:.1%}: disparate_impact is {value:.3f} "
            f"({impact.low:.3f} to {impact.high:.3f})"
        )
    rates = _RATES[asked.fairness]
    gaps = {rate: _ends(of, rate) for rate in rates}
    rate = max(gaps, key=lambda name: gaps[name][1][0] - gaps[name][0][0])
    (low, lowest), (high, highest) = gaps[rate]
    return (
        f"of {column} the {rate.replace('_', ' ')} of {lowest} is {low:.1%} and of {highest} "
        f"{high:.1%}: {asked.fairness} is {value:.3f}"
    )


_RATES: dict[str, tuple[str, ...]] = {
    "demographic_parity_difference": ("selection_rate",),
    "equal_opportunity_difference": ("true_positive_rate",),
    "equalized_odds_difference": ("true_positive_rate", "false_positive_rate"),
}


def _ends(of: Fairness, rate: str) -> tuple[tuple[float, str], tuple[float, str]]:
    known = [
        (float(value), name)
        for name, group in of.groups.items()
        if not group.small and (value := getattr(group, rate)) is not None
    ]
    return min(known), max(known)


def _sign(asked: FairnessGate) -> str:
    return ">=" if asked.min is not None else "<="


def _name(asked: FairnessGate) -> str:
    of = f" of {asked.column}" if asked.column else ""
    return f"{asked.fairness}{of} {_sign(asked)} {asked.bound:g}"


def _undecided(asked: FairnessGate, why: str) -> GateResult:
    return GateResult(_name(asked), "undecided", why, asked.fairness, None, asked.bound)
