"""The judge of a rollout: from what both arms answered to what follows, and why."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from mlops_cli.config.sections.base import format_duration
from mlops_cli.config.sections.rollout import LATENCIES, RolloutConfig, RuleConfig
from mlops_cli.experiments.compare import compare
from mlops_cli.experiments.comparisons import Compared, Looks, looks_of, rules_of
from mlops_cli.experiments.evidence import CANDIDATE, CHAMPION, Arm, Evidence, Stage, together
from mlops_cli.experiments.guards import (
    SAMPLE_RATIO,
    SILENT,
    against,
    sample_ratio,
    silent,
    worse_than_before,
)
from mlops_cli.experiments.latencies import quantile_ms
from mlops_cli.experiments.wording import not_proven, sentence

Word = Literal["advance", "hold", "pause", "rollback"]
Action = Literal["none", "step", "promote", "pause", "rollback", "suspend"]
BEFORE = "before"


@dataclass(frozen=True, slots=True)
class ArmFigures:
    """One arm over the whole rollout; None where there is nothing to tell."""

    requests: int
    errors: int
    p50_ms: float | None
    p99_ms: float | None
    mean: float | None
    labels: int


@dataclass(frozen=True, slots=True)
class Verdict:
    """What the judge says, and what is to be done.

    `action` is what follows: `step` to the next weight, `promote` to the end, `suspend` to a
    weight of 0 until it is clear who is to blame. `by` names the rules or guards that decided.
    `inconclusive`: the step took its longest time, and nothing is decided.
    """

    verdict: Word
    action: Action
    reasons: tuple[str, ...]
    arms: Mapping[Arm, ArmFigures]
    by: tuple[str, ...] = ()
    inconclusive: bool = False


def judge(evidence: Evidence, config: RolloutConfig, stage: Stage) -> Verdict:
    """Judge by all that is known; the same evidence gives the same verdict.

    A candidate that is as good is ever rolled back with a probability of at most `judge.alpha`,
    over all rules and looks. What a person has resumed from (`stage.waived`) pauses no more.
    """
    return _Judge(evidence, config, stage).verdict()


class _Judge:
    def __init__(self, evidence: Evidence, config: RolloutConfig, stage: Stage) -> None:
        self._evidence = evidence
        self._config = config
        self._stage = stage
        self._rules = rules_of(config, stage.task)
        self._looks: Looks = looks_of(config, self._rules)

    def verdict(self) -> Verdict:
        if self._stage.suspended:
            return self._suspended()
        if stopped := self._stopped():
            return stopped
        found = [
            compare(rule, self._evidence, self._config, self._stage, self._looks)
            for rule in self._rules
        ]
        if self._lacks_requests(whole=True) is None and (decided := self._decided(found)):
            return decided
        if said := worse_than_before(self._evidence, self._rules, self._stage, self._looks):
            return self._say("hold", "suspend", [f"{said}: the weight goes to 0"], (BEFORE,))
        waits = self._waits(found)
        if not waits:
            return self._say("advance", "step", [self._told(each) for each in found])
        return self._waiting(waits, [each for each in found if not self._lacks(each)])

    def _stopped(self) -> Verdict | None:
        """What the arms met is not what was assigned to them."""
        for name, said in (
            (SILENT, silent(self._evidence, self._stage)),
            (SAMPLE_RATIO, sample_ratio(self._evidence, self._config, self._stage)),
        ):
            if said and name not in self._stage.waived:
                return self._say("pause", "pause", [said], (name,))
        return None

    def _decided(self, found: Sequence[Compared]) -> Verdict | None:
        """Whom a rule surely finds worse by more than it allows."""
        worse = [each for each in found if each.sure and each.beyond]
        for then in ("rollback", "pause"):
            by = [each for each in worse if each.rule.then == then]
            if then == "pause":
                by = [each for each in by if each.rule.metric not in self._stage.waived]
            if by:
                names = tuple(each.rule.metric for each in by)
                word: Literal["rollback", "pause"] = "rollback" if then == "rollback" else "pause"
                return self._say(word, word, [self._told(each) for each in by], names)
        return None

    def _waits(self, found: Sequence[Compared]) -> list[str]:
        """What the next step waits for; empty: for nothing."""
        stage, hold = self._stage, self._config.hold
        waits = []
        if stage.step not in stage.compared:
            waits.append("in this step only one arm answers")
        if stage.elapsed < hold:
            left = format_duration(hold - stage.elapsed)
            waits.append(f"hold: {left} of {format_duration(hold)} are left")
        if lacks := self._lacks_requests(whole=False):
            waits.append(lacks)
        for each in found:
            if self._lacks(each):
                if each.rule.metric not in LATENCIES or stage.last or self._proves(each.rule):
                    waits.append(self._told(each))
            elif each.beyond and not (each.rule.then == "pause" and self._is_waived(each)):
                waits.append(self._told(each))
            elif self._proves(each.rule) and not each.proven:
                waits.append(not_proven(each, stage.task))
        return waits

    def _waiting(self, waits: Sequence[str], compared: Sequence[Compared]) -> Verdict:
        told = [text for each in compared if (text := self._told(each)) not in waits]
        reasons = [*waits, *told]
        longest = self._config.judge.max_time
        if self._stage.elapsed < longest:
            return self._say("hold", "none", reasons)
        over = f"nothing was decided in {format_duration(longest)} (judge.max_time)"
        then = self._config.judge.inconclusive
        if then == "hold":
            return self._say("hold", "none", [over, *reasons], inconclusive=True)
        reasons = [f"{over}: judge.inconclusive is {then}", *reasons]
        if then == "rollback":
            return self._say("rollback", "rollback", reasons, inconclusive=True)
        return self._say("advance", "promote", reasons, inconclusive=True)

    def _suspended(self) -> Verdict:
        """The candidate meets nobody: whether the champion is as it was before."""
        evidence, stage, before = self._evidence, self._stage, self._evidence.before
        now = evidence.at(CHAMPION, stage.step)
        asked = self._config.judge.min_requests
        if before is None or now.requests < asked or stage.elapsed < self._config.hold:
            said = (
                "the candidate meets nobody since both arms got worse; the champion has "
                f"{now.requests:,} of {asked:,} requests since"
            )
            return self._say("hold", "none", [said], (BEFORE,))
        still = [
            worse
            for rule in self._rules
            if (worse := against(before, now, rule, self._looks.alpha, surely=False))
        ]
        if not still:
            said = "without the candidate the champion is as good as before the rollout"
            return self._say("rollback", "rollback", [said], (BEFORE,))
        said = "the champion is as bad without the candidate: the cause is elsewhere"
        return self._say("hold", "none", [said, *still], (BEFORE,))

    def _lacks_requests(self, *, whole: bool) -> str | None:
        steps = self._stage.compared if whole else (self._stage.step,)
        champion, candidate = (
            sum(self._evidence.at(arm, step).requests for step in steps)
            for arm in (CHAMPION, CANDIDATE)
        )
        asked = self._config.judge.min_requests
        if min(champion, candidate) >= asked:
            return None
        if champion + candidate == 0:
            return "no request came in this step"
        return (
            f"min_requests: {asked:,} of each arm; there are {candidate:,} of the candidate and "
            f"{champion:,} of the champion in this step"
        )

    def _lacks(self, found: Compared) -> bool:
        return bool(found.missing)

    def _is_waived(self, found: Compared) -> bool:
        return found.rule.metric in self._stage.waived

    def _proves(self, rule: RuleConfig) -> bool:
        return self._config.judge.prove if rule.prove is None else rule.prove

    def _told(self, found: Compared) -> str:
        return sentence(found, self._stage.task)

    def _say(
        self,
        word: Word,
        action: Action,
        reasons: Sequence[str],
        by: tuple[str, ...] = (),
        *,
        inconclusive: bool = False,
    ) -> Verdict:
        arms = {arm: figures(self._evidence, arm) for arm in (CHAMPION, CANDIDATE)}
        return Verdict(word, action, tuple(reasons), arms, by, inconclusive)


def figures(evidence: Evidence, arm: Arm) -> ArmFigures:
    """One arm, as `rollout status` shows it."""
    all_of_it = together(evidence.champion if arm == CHAMPION else evidence.candidate)
    labels = sum(each.labels for each in evidence.logged or () if each.arm == arm)
    mean = all_of_it.sum / all_of_it.answered if all_of_it.answered else None
    return ArmFigures(
        requests=all_of_it.requests,
        errors=all_of_it.errors,
        p50_ms=_shown(quantile_ms(all_of_it, 0.5)),
        p99_ms=_shown(quantile_ms(all_of_it, 0.99)),
        mean=mean,
        labels=labels,
    )


def _shown(number: float) -> float | None:
    return None if math.isnan(number) else round(number, 3)
