"""One look at an experiment: every metric's lift, guardrails, segments, and whether one has won."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
import pyarrow as pa

from mlops_cli.config.sections.experiment import (
    LOGGED,
    AbConfig,
    Better,
    GuardrailConfig,
    parts_of,
)
from mlops_cli.evaluation.sequential import LEVEL, share_p_values
from mlops_cli.experiments.figures import lift_of
from mlops_cli.experiments.found import (
    GuardrailFound,
    LiftFound,
    SegmentFound,
    ShareFound,
    Side,
)
from mlops_cli.experiments.lift import (
    Mask,
    difference,
    levels,
    relative,
)
from mlops_cli.experiments.samples import Measured, Units

MISMATCH = 0.01  # of a test of the shares: an alarm says that the experiment is broken
MIXED = 0.01  # of the units: more that met both arms are no accident
SEGMENTS = 20  # values of a column, the most frequent ones
_MISSING = "(missing)"


@dataclass(frozen=True, slots=True)
class Compared:
    """What is to be said of the units: see `found.AbResult`."""

    share: ShareFound
    metrics: tuple[LiftFound, ...]
    guardrails: tuple[GuardrailFound, ...]
    segments: tuple[SegmentFound, ...]
    winner: Literal["champion", "candidate"] | None
    reasons: tuple[str, ...]


def compare(
    units: Units, config: AbConfig, *, primary: str | None, expected: float | None
) -> Compared:
    """Compare both arms in every metric; `expected` is the share that was to meet the candidate."""
    better = _directions(config, primary)
    asked = [primary] if primary is not None else []
    asked += [g.metric for g in config.guardrails]
    names = dict.fromkeys([*asked, *units.names()])
    measured = {n: m for n in names if _is_there(units, n) and (m := units.measure(n)) is not None}
    lifts = {
        n: lift_of(n, m.sample, m.kind, better.get(n), config.planned) for n, m in measured.items()
    }
    share = share_of(units.candidate[units.shared], expected)
    main = measured.get(primary) if primary is not None else None
    part = None
    if main is not None:
        part = share_of(units.candidate[units.shared & main.chosen], expected)
    guards = [
        _guardrail(rule, measured[rule.metric], config.planned)
        for rule in config.guardrails
        if rule.metric in measured
    ]
    guards += [
        GuardrailFound(metric=g.metric, worse_by=_written(g), verdict="open")
        for g in config.guardrails
        if g.metric not in measured
    ]
    reasons = [*_against(units, share, part, primary)]
    lift = lifts.get(primary) if primary is not None else None
    winner, why = _winner(lift, primary, guards, broken=bool(reasons))
    return Compared(
        share=share,
        metrics=tuple(lifts.values()),
        guardrails=tuple(guards),
        segments=tuple(_segments(units, config, main, better.get(primary or ""), primary)),
        winner=winner,
        reasons=(*reasons, *why),
    )


def share_of(candidate: Mask, expected: float | None) -> ShareFound:
    """The share of units that met the candidate, held at every unit that came to what was told."""
    seen = float(candidate.mean()) if len(candidate) else 0.0
    if expected is None or not len(candidate):
        return ShareFound(candidate=seen, expected=expected, p_value=None, mismatch=False)
    hits = np.cumsum(candidate, dtype=np.float64)
    p = float(share_p_values(hits, np.arange(1.0, len(hits) + 1), expected)[-1])
    return ShareFound(candidate=seen, expected=expected, p_value=p, mismatch=p < MISMATCH)


def _directions(config: AbConfig, primary: str | None) -> Mapping[str, Better | None]:
    found: dict[str, Better | None] = {
        name: "lower" if way == "lower" else None for name, way in LOGGED.items()
    }
    for rule in config.guardrails:
        found[rule.metric] = "lower" if rule.direction == "lower" else "higher"
    if primary is not None:
        found[primary] = config.better or found.get(primary) or "higher"
    return found


def _is_there(units: Units, metric: str) -> bool:
    return set(filter(None, parts_of(metric))) <= {*units.names()}


def _guardrail(rule: GuardrailConfig, measured: Measured, planned: float) -> GuardrailFound:
    """Held to the worst that it may be: breached where it surely is worse, and by more than that.

    The interval is two-sided, so that each bound errs in half of the cases that it may.
    """
    margin, is_part = rule.margin
    found = levels(measured.sample)
    verdict: Literal["held", "breached", "open"] = "open"
    if found is not None:
        by = relative(found, planned) if is_part else difference(found, planned)
        sign = -1 if rule.direction == "higher" else 1
        if by.value is not None and by.low is not None and by.high is not None:
            worst = by.high if sign > 0 else -by.low
            least = by.low if sign > 0 else -by.high
            if least > 0 and sign * by.value > margin:
                verdict = "breached"
            elif worst < margin:
                verdict = "held"
    return GuardrailFound(metric=rule.metric, worse_by=_written(rule), verdict=verdict)


def _written(rule: GuardrailConfig) -> str:
    return rule.worse_by if isinstance(rule.worse_by, str) else f"{rule.worse_by:g}"


def _against(
    units: Units, share: ShareFound, part: ShareFound | None, primary: str | None
) -> Iterator[str]:
    """What makes the experiment unfit for a verdict."""
    total = len(units.candidate) + units.mixed
    if units.mixed > MIXED * total:
        yield (
            f"{units.mixed} of {total} units met both arms and are left out: what they have in "
            "common is not compared"
        )
    if share.mismatch:
        yield (
            f"{share.candidate:.2%} of the units met the candidate, and {share.expected:.2%} were "
            "to: the arms are not comparable until it is known who is missing"
        )
    elif part is not None and part.mismatch:
        yield (
            f"of the units that have {primary}, {part.candidate:.2%} met the candidate, and "
            f"{part.expected:.2%} were to: it is missing in one arm more than in the other"
        )


def _winner(
    lift: LiftFound | None,
    primary: str | None,
    guards: Sequence[GuardrailFound],
    *,
    broken: bool,
) -> tuple[Literal["champion", "candidate"] | None, list[str]]:
    if primary is None:
        return None, ["no metric decides: name one as ab.primary in mlops.yaml"]
    if lift is None:
        return None, [f"no unit has {primary}, which decides"]
    if lift.side == "open":
        said = lift.why or "its interval holds 0"
        return None, [f"{primary} decides, and {said}"]
    if broken:
        return None, []
    breached = [g.metric for g in guards if g.verdict == "breached"]
    if lift.side == "worse":
        return "champion", [f"the candidate is surely worse in {primary}"]
    if breached:
        return None, [
            f"the candidate is surely better in {primary}, and breaches {', '.join(breached)}"
        ]
    still = [g.metric for g in guards if g.verdict == "open"]
    more = f"; not yet shown to be held: {', '.join(still)}" if still else ""
    return "candidate", [f"the candidate is surely better in {primary}{more}"]


def _segments(
    units: Units,
    config: AbConfig,
    main: Measured | None,
    better: Better | None,
    primary: str | None,
) -> Iterator[SegmentFound]:
    """The primary metric in each segment; all of them are wrong together as rarely as one."""
    if main is None or primary is None:
        return
    parts = [
        (column, value, main.where(inside))
        for column in config.segments
        for value, inside in _values(units.table[f"segment:{column}"])
    ]
    parts = [p for p in parts if len(p[2].top)]
    alpha = LEVEL / max(1, len(parts))
    lifts = [
        lift_of(primary, sample, main.kind, better, config.planned, alpha) for _, _, sample in parts
    ]
    adjusted = holm([lift.p_value for lift in lifts])
    for (column, value, sample), lift, p in zip(parts, lifts, adjusted, strict=True):
        found = levels(sample)
        side: Side = "open"
        if found is not None and p is not None and p <= LEVEL and better is not None:
            side = "better" if (found.difference > 0) == (better == "higher") else "worse"
        yield SegmentFound(column=column, value=value, lift=replace(lift, p_value=p, side=side))


def _values(column: pa.ChunkedArray) -> list[tuple[str, Mask]]:
    coded = column.combine_chunks().dictionary_encode(null_encoding="encode")
    codes = np.asarray(coded.indices, np.int64)
    order = np.argsort(-np.bincount(codes, minlength=len(coded.dictionary)), kind="stable")
    texts = coded.dictionary.to_pylist()
    return [(_MISSING if texts[i] is None else texts[i], codes == i) for i in order[:SEGMENTS]]


def holm(p_values: Sequence[float | None]) -> list[float | None]:
    """The p-values, so that any of them errs as rarely as one (Holm 1979); None stays.

    Of p-values that hold at every look, these do, too.
    """
    known = sorted((p, i) for i, p in enumerate(p_values) if p is not None)
    found: list[float | None] = [None] * len(p_values)
    least = 0.0
    for done, (p, i) in enumerate(known):
        least = max(least, min(1.0, p * (len(known) - done)))
        found[i] = least
    return found
