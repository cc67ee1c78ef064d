"""The command `rollout`: how far a new version has come, one step of it, or its end by hand."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal, cast

from mlops_cli._locks import locked
from mlops_cli.actions import rollout_watch
from mlops_cli.actions.bring import where_it_runs
from mlops_cli.actions.rollout_steps import Found, RolloutTarget, Work
from mlops_cli.audit.log import known_entries
from mlops_cli.bundle.manifest import short
from mlops_cli.config.project import Project
from mlops_cli.errors import EnvironmentFault, GateError, InconclusiveError, UsageError
from mlops_cli.experiments.judge import Verdict as Judged
from mlops_cli.experiments.rollout import (
    State,
    Told,
    finish,
    next_step,
    pause,
    resume,
    unsettled,
    withdraw,
)
from mlops_cli.governance.approvals import course_of, hold, person_of
from mlops_cli.progress import QUIET, Progress
from mlops_cli.targets import open_target
from mlops_cli.targets.base import KeepsRollout, RolloutMoved, Target
from mlops_cli.tracking import open_tracker

What = Literal["status", "tick", "promote", "abort", "pause", "resume"]
_LOCK_SECONDS = 300.0  # an end brings a version to the target
_QUICKEST, _SLOWEST = 1.0, 10.0  # seconds between two ticks of one that waits


@dataclass(frozen=True, slots=True)
class JudgeStatus:
    """What the judge says, by which reasons, and what each arm came to.

    Of a rollout that ended it is what was said then. `inconclusive`: the step took
    `judge.max_time`, and nothing is decided.
    """

    verdict: str
    reasons: tuple[str, ...]
    arms: Mapping[str, Any]
    inconclusive: bool = False


@dataclass(frozen=True, slots=True)
class RolloutResult:
    """Where a rollout stands on `target`; but for `state` all is None where there was none.

    `champion` and `candidate` have 12 digits. `weight` is the percentage that the candidate
    answers, `mirrored` that which it is asked beside the champion. `step` counts from 0; it began
    at `stepped`, the rollout at `since`, in UTC. `why` is what its state is for, and `moved`
    whether this command moved it.
    """

    target: str
    state: str
    strategy: str | None = None
    salt: str | None = None
    champion: str | None = None
    candidate: str | None = None
    weight: float | None = None
    mirrored: float | None = None
    step: int | None = None
    since: datetime | None = None
    stepped: datetime | None = None
    why: tuple[str, ...] = ()
    judge: JudgeStatus | None = None
    moved: bool = False


def rollout(
    project: Project,
    what: What = "status",
    *,
    target: str | None = None,
    reason: str | None = None,
    progress: Progress = QUIET,
) -> RolloutResult:
    """Tell of the rollout on `target` (by default the configuration's), or move it.

    `tick` is one step at most, by what the judge says; one that moves nothing writes nothing, and
    any number at once make one step. `promote` ends it with the candidate, `abort` with the
    champion, which is withdrawn to with `reason`. Raises `UsageError` where there is none to be
    moved, and `ApprovalError` where the candidate may not be promoted.
    """
    name = target or project.config.deploy.target
    place = where_it_runs(project, open_target(name, project), name)
    work = work_of(project, place, name, progress)
    if work is None:
        return RolloutResult(name, "none")
    if what == "status":
        return _told(work, work.read())
    with turn_of(project):
        found = work.mend(work.read())
        try:
            return tick(work, found) if what == "tick" else _by_hand(work, found, what, reason)
        except RolloutMoved:  # from another clone: what it did counts
            return _told(work, work.read())


def work_of(project: Project, place: Target, name: str, progress: Progress = QUIET) -> Work | None:
    """The rollout of a target; None for one that keeps none."""
    if not isinstance(place, KeepsRollout):
        return None
    return Work(project, name, cast(RolloutTarget, place), open_tracker(project), progress)


@contextmanager
def turn_of(project: Project) -> Iterator[None]:
    """One command of this clone at a time moves a rollout."""
    taken = EnvironmentFault("another command moves the rollout", hint="wait until it has ended")
    with locked(project.cache / "rollout.lock", otherwise=taken, seconds=_LOCK_SECONDS):
        yield


def tick(work: Work, found: Found, *, switch: bool = False) -> RolloutResult:
    """One step at most, by what the judge says of both arms."""
    state = found.state
    if state is not None and state.watches:
        return _look_after(work, found, state)
    if state is None or not state.goes_on:
        return _told(work, found)
    work.keep_seen(found)
    judged = work.judge(found, collect=True)
    told = told_of(judged)
    if (no := _rejected(work, state) or work.candidate_fault()) is not None:
        after: State | None = withdraw(state, found.now, "judge", (no,), told)
    else:
        after = next_step(state, judged.action, told, found.now, switch=switch)
    if after is None:
        return _result(work, found, told)
    moved = work.settle(work.move(found, after))
    return _result(work, moved, told, moved=True)


def _look_after(work: Work, found: Found, state: State) -> RolloutResult:
    """Hold what came to what was before, until the time is over; back where it is worse."""
    work.keep_seen(found)
    if rollout_watch.is_over(work, found, state):
        return _told(work, rollout_watch.end(work, found, state))
    judged = rollout_watch.judged(work, found, state, collect=True)
    told = told_of(judged)
    if judged.action != "rollback":
        return _result(work, found, told)
    back = withdraw(state, found.now, "judge", told.reasons, told)
    moved = work.settle(work.move(found, unsettled(back)))
    return _result(work, moved, told, moved=True)


def end_rollout(work: Work, why: str) -> None:
    """End a rollout that goes on, or has kept the old version, before another one is brought."""
    with turn_of(work.project):
        found = work.mend(work.read())
        state = found.state
        if state is not None and (state.goes_on or state.kept):
            work.settle(work.move(found, withdraw(state, found.now, "hand", (why,))))


def wait(work: Work) -> RolloutResult:
    """Carry the rollout to its end, step by step.

    Raises `GateError` where the candidate was withdrawn, and `InconclusiveError` where a step took
    `judge.max_time` and nothing was decided; the rollout stays as it is then.
    """
    while True:
        with turn_of(work.project):
            found = work.mend(work.read())
            try:
                now = tick(work, found, switch=True)
            except RolloutMoved:
                continue
        if now.state == "rolled_back":
            raise GateError(
                f"{now.candidate} was withdrawn: {'; '.join(now.why) or 'no reason was given'}",
                hint=f"{now.champion} answers; mlops rollout status",
            )
        if now.state in ("done", "none"):
            return now
        if now.judge is not None and now.judge.inconclusive:
            raise InconclusiveError(
                f"nothing is decided after {_max_time(work, found)} at {now.weight:g} %: "
                + "; ".join(now.judge.reasons),
                hint="mlops rollout promote, or mlops rollout abort",
            )
        work.progress.update(_line(now))
        time.sleep(_pause_of(found.state))


def _by_hand(work: Work, found: Found, what: What, reason: str | None) -> RolloutResult:
    state, why = _movable(work, found, what), (reason,) if reason else ()
    now = found.now
    match what:
        case "promote":
            hold(work.project, work.tracker, state.candidate)
            after = finish(state, now, "hand", why, _last(work, found))
        case "abort":
            by = why or ("aborted by hand",)
            after = unsettled(withdraw(state, now, "hand", by, _last(work, found)))
        case "pause":
            after = pause(state, now, "hand", why or ("paused by hand",), None)
        case _:
            after = resume(state, now)
    return _told(work, work.settle(work.move(found, after)), moved=True)


def _movable(work: Work, found: Found, what: What) -> State:
    """The rollout that is to be moved so; raises `UsageError` where it cannot be."""
    state = found.state
    if state is None:
        raise UsageError(f"there is no rollout on {work.name}", hint="mlops deploy begins one")
    if what == "abort" and (state.kept or state.watches):
        return state  # there is a way back while the old version is kept, or is compared with
    if not state.goes_on:
        ended = "done" if state.status == "done" else "rolled back"
        hint = "go back: mlops rollback" if state.status == "done" else "mlops deploy begins one"
        raise UsageError(
            f"the rollout of {short(state.candidate)} on {work.name} is {ended}", hint=hint
        )
    wrong = {"pause": state.status == "paused", "resume": _is_resumed(state)}
    if wrong.get(what):
        raise UsageError(f"the rollout on {work.name} is {state.status} already")
    return state


def _is_resumed(state: State) -> bool:
    return state.status == "running" and not state.suspended


def _rejected(work: Work, state: State) -> str | None:
    """Why a person has rejected the candidate since it began; None where nobody has."""
    entry = course_of(known_entries(work.project.root), state.candidate).rejected
    return f"{person_of(entry)} rejected it: {entry.reason}" if entry is not None else None


def told_of(judged: Judged) -> Told:
    """What the judge says, as a rollout's document keeps it."""
    arms: dict[str, Any] = {name: _figures(arm) for name, arm in judged.arms.items()}
    return Told(judged.verdict, judged.reasons, arms, judged.by, judged.inconclusive)


def _figures(arm: Any) -> dict[str, Any]:
    names = ("requests", "errors", "p50_ms", "p99_ms", "mean", "labels")
    return {name: getattr(arm, name) for name in names}


def _last(work: Work, found: Found) -> Told | None:
    """What the judge says at an end by hand, where it can be asked."""
    try:
        return told_of(work.judge(found, collect=False))
    except EnvironmentFault:
        return None


def _told(work: Work, found: Found, *, moved: bool = False) -> RolloutResult:
    state = found.state
    if state is None:
        return RolloutResult(work.name, "none")
    told = state.told
    if state.watches:
        told = told_of(rollout_watch.judged(work, found, state, collect=False))
    elif state.goes_on:
        told = told_of(work.judge(found, collect=False))
    return _result(work, found, told, moved=moved)


def _result(work: Work, found: Found, told: Told | None, *, moved: bool = False) -> RolloutResult:
    state = found.state
    if state is None:
        return RolloutResult(work.name, "none")
    return RolloutResult(
        target=work.name,
        state=state.status,
        strategy=state.strategy,
        salt=state.salt,
        champion=short(state.champion),
        candidate=short(state.candidate),
        weight=state.weight,
        mirrored=state.meets if state.mirrors else 0.0,
        step=state.step,
        since=state.began,
        stepped=state.stepped,
        why=state.why,
        judge=_said(told) if told else None,
        moved=moved,
    )


def _said(told: Told) -> JudgeStatus:
    return JudgeStatus(told.verdict, told.reasons, told.arms, told.inconclusive)


def _max_time(work: Work, found: Found) -> str:
    return (
        str(found.state.asked.model_dump(mode="json")["judge"]["max_time"]) if found.state else ""
    )


def _line(now: RolloutResult) -> str:
    """Where it stands, for who waits."""
    arms = now.judge.arms if now.judge else {}
    met = arms.get("candidate", {}).get("requests", 0)
    why = f": {now.judge.reasons[0]}" if now.judge and now.judge.reasons else ""
    share = f"{now.weight:g} %" if not now.mirrored else f"{now.mirrored:g} % mirrored"
    return f"{now.candidate} at {share}, {met:,} requests met it; {now.state}{why}"


def _pause_of(state: State | None) -> float:
    hold_for = state.asked.hold.total_seconds() if state is not None else _SLOWEST
    return min(_SLOWEST, max(_QUICKEST, hold_for / 10))
