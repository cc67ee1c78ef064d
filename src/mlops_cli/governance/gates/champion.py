"""The gate that compares with the champion and the best of its line, on rows that none has seen."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import msgspec

from mlops_cli.audit.log import every_entry
from mlops_cli.bundle.manifest import short
from mlops_cli.config.sections.register import ChampionGate
from mlops_cli.evaluation.paired import LEVEL, POWER, answer, surely_worse
from mlops_cli.governance.decision import GateResult, Opponent, Verdict
from mlops_cli.governance.gates.base import Case
from mlops_cli.governance.gates.hold_out import HoldOut, Match, hold_out_of
from mlops_cli.governance.line import Line, line_of, question_of

_NAMES = {"champion": "the champion", "best": "the best of its line"}
_UNFAIR = "worse, but the table's older rows have changed, and it may have learned some of these"


@dataclass(frozen=True, slots=True)
class AgainstChampion:
    """`{champion: not_worse}`, that with a margin, and `{champion: better}`."""

    asked: ChampionGate

    def evaluate(self, case: Case) -> GateResult:
        """See `Gate.evaluate`."""
        champion, name = case.champion, name_of(self.asked)
        if champion is None or case.first:
            return no_champion_yet(name, asked=case.first)
        if champion.digest == case.candidate.digest:
            return is_the_champion(name, champion.digest)
        line = _line(case)  # the best is chosen before the rows are looked at
        hold_out = hold_out_of(case)
        match = hold_out.match(champion, "champion")
        if isinstance(match, str):
            return cannot_compare(name, champion.digest, match)
        best, failed = _best(case, line, hold_out)
        matches = [match] if best is None else [match, best]
        metric = case.project.config.metric
        return verdict_of(self.asked, metric, matches, failed=failed, lost=line.lost)


def open_gate(asked: ChampionGate) -> AgainstChampion:
    """The gate that the configuration asks for."""
    return AgainstChampion(asked)


def name_of(asked: ChampionGate) -> str:
    """The gate as its configuration has it."""
    margin = "" if asked.margin is None else f", margin: {asked.margin:g}"
    return f"champion: {asked.champion}{margin}"


def no_champion_yet(name: str, *, asked: bool) -> GateResult:
    """The verdict where there is no champion to compare with, or none was wanted."""
    why = "comparing with a champion was not wanted (--first)" if asked else "no champion yet"
    return GateResult(name, "passed", why)


def is_the_champion(name: str, digest: str) -> GateResult:
    """The verdict on the champion's own digest."""
    return GateResult(name, "passed", f"{short(digest)} is the champion")


def cannot_compare(name: str, champion: str, reason: str) -> GateResult:
    """The verdict where the champion (its digest) cannot be scored on these rows."""
    why = f"the champion {short(champion)} cannot be scored on these hold-out rows: {reason}"
    compared = (Opponent("champion", champion, why=reason),)
    return GateResult(name, "undecided", why, compared=compared)


def verdict_of(
    asked: ChampionGate,
    metric: str,
    matches: Sequence[Match],
    *,
    failed: Sequence[Opponent] = (),
    lost: Sequence[str] = (),
) -> GateResult:
    """What the candidate's matches, the one with the champion first, come to.

    `failed` are better ones of the line that could not be compared, `lost` the digests of those
    that the registry does not know: the verdict is without them, and says so. A champion that may
    have been fitted on some of the rows is flattered: not worse is still not worse, and worse
    decides nothing. `docs/decisions/` says what was weighed.
    """
    name, first = name_of(asked), matches[0]
    if not first.comparison.decidable:
        why = f"{metric} cannot be computed on the {first.rows} rows of the hold-out"
        return GateResult(name, "undecided", why, metric)
    detectable = _detectable(matches)
    told = [*_told(asked, metric, matches), *_left_out(failed, lost)]
    verdict = _verdict(asked, matches)
    if verdict == "inconclusive" and isinstance(detectable, float):
        told.append(f"a gain of {detectable:.2g} would be found with probability {POWER:g}")
    return GateResult(
        name,
        verdict,
        "; ".join(told),
        metric,
        first.comparison.candidate,
        first.comparison.opponent,
        detectable,
        (*map(_opponent, matches), *failed),
    )


def _verdict(asked: ChampionGate, matches: Sequence[Match]) -> Verdict:
    margin = _margin(asked)
    verdict = answer([m.comparison for m in matches], margin)
    if verdict != "refused" or all(m.fair for m in matches):
        return verdict
    fair = [m.comparison for m in matches if m.fair]
    return "refused" if fair and answer(fair, margin) == "refused" else "undecided"


def _margin(asked: ChampionGate) -> float | None:
    return 0.0 if asked.champion == "better" else asked.margin


def _detectable(matches: Sequence[Match]) -> float | msgspec.UnsetType:
    """The gain over each of them; a candidate that has it passes all with the probability."""
    each = 1 - (1 - POWER) / len(matches)
    gain = max(m.comparison.detectable(each) for m in matches)
    return gain if math.isfinite(gain) else msgspec.UNSET


def _opponent(match: Match) -> Opponent:
    found = match.comparison
    low, high = found.interval
    return Opponent(
        match.role,
        match.digest,
        match.rows,
        found.candidate,
        found.opponent,
        found.difference,
        low,
        high,
    )


def _told(asked: ChampionGate, metric: str, matches: Sequence[Match]) -> list[str]:
    worse = surely_worse([m.comparison for m in matches])
    margin, told = _margin(asked), []
    for match, is_worse in zip(matches, worse, strict=True):
        found = match.comparison
        if margin is None:
            told_of = _of_chance(match, worse=is_worse, tests=len(matches))
        else:
            told_of = _of_margin(match, margin)
        told.append(
            f"{metric} is {found.candidate:.6g}, and {_NAMES[match.role]} {short(match.digest)} "
            f"has {found.opponent:.6g} on the same {match.rows} rows: {told_of}"
        )
    return told


def _of_chance(match: Match, *, worse: bool, tests: int) -> str:
    found, level = match.comparison, LEVEL / tests
    if found.difference >= 0:
        told = "not worse"
    elif not worse:
        told = "lower in worth, but chance may explain it"
    else:
        told = "worse, by more than chance explains" if match.fair else _UNFAIR
    return (
        f"{told} (difference {found.difference:+.2g}, with {100 * (1 - level):g} % confidence at "
        f"most {found.bound(1 - level):+.2g})"
    )


def _of_margin(match: Match, margin: float) -> str:
    low, high = match.comparison.interval
    asked = f"worse by more than {margin:g}" if margin else "better"
    if low > -margin:
        told = f"surely not {asked}" if margin else "surely better"
    elif high >= -margin:
        told = f"too few rows to tell whether it is {asked}"
    else:
        told = (f"surely {asked}" if margin else "surely worse") if match.fair else _UNFAIR
    between = f"95 % interval {low:+.2g} to {high:+.2g}"
    return f"{told} (difference {match.comparison.difference:+.2g}, {between})"


def _left_out(failed: Sequence[Opponent], lost: Sequence[str]) -> list[str]:
    told = [
        f"the former champion {short(o.digest)}, recorded as better, cannot be compared: {o.why}"
        for o in failed
    ]
    if lost:
        named = ", ".join(map(short, lost))
        told.append(f"the registry knows no more of the former champions {named}")
    return told


def _line(case: Case) -> Line:
    entries = every_entry(case.project.root, case.tracker)
    question = question_of(case.candidate.manifest)
    return line_of(entries, case.tracker.versions(), case.project.config.metric, question)


def _best(case: Case, line: Line, hold_out: HoldOut) -> tuple[Match | None, tuple[Opponent, ...]]:
    """The best that can be compared, unless it is the champion or the candidate itself.

    And those before it that cannot be, with the reason.
    """
    themselves = {case.candidate.digest, case.champion.digest if case.champion else ""}
    failed: list[Opponent] = []
    for version in line.best_first:
        if version.digest in themselves:
            break
        match = hold_out.match(version, "best")
        if isinstance(match, Match):
            if match.fair and match.comparison.decidable:
                return match, tuple(failed)
            match = "it may have been fitted on some of these rows, or its metric is undefined"
        failed.append(Opponent("best", version.digest, why=match))
    return None, tuple(failed)
