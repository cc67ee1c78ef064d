"""A sample of a metric as the figures that are told of it."""

from __future__ import annotations

from dataclasses import replace

from mlops_cli.config.sections.experiment import Better
from mlops_cli.evaluation.sequential import LEVEL
from mlops_cli.experiments.found import ArmFound, Kind, LiftFound, Side
from mlops_cli.experiments.lift import (
    FEWEST,
    Between,
    Mask,
    Sample,
    chance,
    difference,
    levels,
    relative,
)


def lift_of(
    name: str,
    sample: Sample,
    kind: Kind,
    better: Better | None,
    planned: float,
    alpha: float = LEVEL,
) -> LiftFound:
    """The lift of a metric, with why there is no interval where there is none."""
    arms = [_arm(sample, sample.candidate == side) for side in (False, True)]
    bare = LiftFound(
        metric=name,
        kind=kind,
        better=better,
        champion=arms[0],
        candidate=arms[1],
        why=f"fewer than {FEWEST} units of an arm have it",
    )
    if min(a.units for a in arms) < FEWEST:
        return bare
    found = levels(sample)
    if found is None:
        return replace(bare, why="it does not vary yet")
    by, part = difference(found, planned, alpha), relative(found, planned, alpha)
    return replace(
        bare,
        champion=replace(arms[0], value=_round(found.value[0])),
        candidate=replace(arms[1], value=_round(found.value[1])),
        difference=_round(by.value),
        low=_round(by.low),
        high=_round(by.high),
        relative=_round(part.value),
        relative_low=_round(part.low),
        relative_high=_round(part.high),
        p_value=_round(chance(found, planned)),
        side=_side(by, better),
        explained=_round(found.explained) if sample.before.shape[1] else None,
        why=None if by.low is not None else f"too few units have it, with {planned:,} planned",
    )


def _arm(sample: Sample, side: Mask) -> ArmFound:
    below = float(sample.bottom[side].sum())
    return ArmFound(
        units=int(side.sum()),
        rows=int(sample.rows[side].sum()),
        value=_round(float(sample.top[side].sum()) / below) if below else None,
    )


def _round(value: float | None) -> float | None:
    """Sums of many threads differ in their last digits; a digest of the result may not."""
    return None if value is None else float(f"{value:.10g}")


def _side(by: Between, better: Better | None) -> Side:
    if better is None or by.low is None or by.high is None or by.low <= 0 <= by.high:
        return "open"
    return "better" if (by.low > 0) == (better == "higher") else "worse"
