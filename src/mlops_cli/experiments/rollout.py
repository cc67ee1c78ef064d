"""What a rollout is by now, and the single steps by which it goes on: pure, the clock is given."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any, Literal

import msgspec

from mlops_cli.config.sections.rollout import RolloutConfig, WatchConfig
from mlops_cli.experiments.evidence import ArmStep
from mlops_cli.expressions.tree import Node
from mlops_cli.serving.rollouts.traffic import CHAMPION, Document, Traffic

Status = Literal["running", "paused", "done", "rolled_back"]
By = Literal["judge", "hand"]
Verdict = Literal["advance", "hold", "pause", "rollback"]
Action = Literal["none", "step", "promote", "pause", "rollback", "suspend"]
WATCHED = 10_000  # the number under which what follows the end is counted
SUSPENDED = 1000  # more than a rollout has steps
COLD = timedelta(seconds=60)  # whose latencies count for nothing: caches fill, clocks rise


class Told(msgspec.Struct, frozen=True):
    """What the judge said when the rollout was moved; `arms` as `rollout status` has them.

    `by` are the metrics or guards by which it said so; `inconclusive`: the step took its longest
    time, and nothing is decided.
    """

    verdict: Verdict
    reasons: tuple[str, ...] = ()
    arms: dict[str, Any] = {}
    by: tuple[str, ...] = ()
    inconclusive: bool = False


class State(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One rollout. Times are in UTC, by the clock of what answers; digests have 64 digits.

    `config` is `deploy.rollout` as it was at the start. `step` counts from 0; `moved` is when its
    weight, or who may move it, was last changed, and `why` is what for. `suspended`: the weight is
    0 since both arms got worse. `overruled` is by what it pauses no more, since somebody resumed
    it. `settled`: nothing is left to be done of its end. `watch` is `deploy.watch` as it was at the
    start, until that time is over; `before` what the log has of the champion before it. `mover`
    names the clone that moved it last.
    """

    status: Status
    salt: str
    champion: str
    candidate: str
    config: dict[str, Any]
    began: datetime
    stepped: datetime
    moved: datetime
    step: int = 0
    path: str | None = None
    segment: Node | None = None
    suspended: bool = False
    why: tuple[str, ...] = ()
    by: By = "hand"
    told: Told | None = None
    overruled: tuple[str, ...] = ()
    settled: bool = False
    watch: dict[str, Any] | None = None
    before: ArmStep | None = None
    mover: str = ""

    @property
    def asked(self) -> RolloutConfig:
        """The configuration that it goes by."""
        return RolloutConfig.model_validate(self.config)

    @property
    def strategy(self) -> str:
        """Such as `canary`."""
        return str(self.config["strategy"])

    @property
    def goes_on(self) -> bool:
        """Whether it has not ended."""
        return self.status in ("running", "paused")

    @property
    def mirrors(self) -> bool:
        """Whether the candidate is asked beside the champion, and nobody gets its answer."""
        return self.goes_on and self.strategy in ("shadow", "blue_green")

    @property
    def meets(self) -> float:
        """The percentage of what is eligible that meets the candidate, or is mirrored to it."""
        if self.status == "rolled_back" or self.suspended:
            return 0.0
        weights = self.asked.weights
        return 100.0 if self.status == "done" else weights[min(self.step, len(weights) - 1)]

    @property
    def weight(self) -> float:
        """The percentage that the candidate answers."""
        return 0.0 if self.mirrors else self.meets

    def at(
        self, path: str, watch: WatchConfig | None = None, before: ArmStep | None = None
    ) -> State:
        """The same, with where servers find the candidate's bundle, and what it is held to."""
        kept = watch.model_dump(mode="json", by_alias=True) if watch is not None else None
        return msgspec.structs.replace(self, path=path, watch=kept, before=before)

    @property
    def watches(self) -> bool:
        """Whether what follows the end is held to what was before."""
        return self.status == "done" and self.settled and self.watch is not None

    @property
    def kept(self) -> bool:
        """Whether the old version is still kept beside the one that replaced it."""
        return self.status == "done" and not self.settled


def begin(
    config: RolloutConfig, pair: tuple[str, str], salt: str, now: datetime, segment: Node | None
) -> State:
    """The first state of a rollout from one digest to another, which nobody watches after it."""
    champion, candidate = pair
    return State(
        status="running",
        salt=salt,
        champion=champion,
        candidate=candidate,
        config=config.model_dump(mode="json"),
        began=now,
        stepped=now,
        moved=now,
        segment=segment,
    )


def document_of(state: State, generation: int) -> Document:
    """What servers are to obey; a rollout that is over divides nothing."""
    encoded = msgspec.Raw(msgspec.json.encode(state))
    if state.watches:
        return Document(generation, _watched(state), encoded)
    over = state.settled or state.status == "rolled_back"
    return Document(generation, None if over else traffic_of(state), encoded)


def _watched(state: State) -> Traffic:
    """All is answered by the version that came, and counted."""
    return Traffic(
        salt=state.salt,
        champion=state.candidate,
        candidate=state.champion,
        percent=0,
        step=WATCHED,
        arm=CHAMPION,
        warm_until=state.stepped + COLD,
    )


def traffic_of(state: State) -> Traffic:
    """How the traffic is divided."""
    return Traffic(
        salt=state.salt,
        champion=state.champion,
        candidate=state.candidate,
        percent=state.meets,
        step=cell_of(state),
        candidate_path=state.path,
        sticky=state.asked.sticky,
        segment=state.segment,
        mirror=state.mirrors,
        warm_until=state.began + COLD,
        testers=state.asked.mark or msgspec.UNSET,
    )


def cell_of(state: State) -> int:
    """The number under which requests are counted: the step; another one while suspended."""
    return state.step + SUSPENDED * state.suspended


def percents(state: State) -> dict[int, float]:
    """The percentage by that number, of each step that there was or is."""
    weights = dict(enumerate(state.asked.weights[: state.step + 1]))
    return {**weights, **{SUSPENDED + i: 0.0 for i in weights}, cell_of(state): state.meets}


def parse_state(document: Document) -> State | None:
    """The state that the document keeps; None where it keeps none. Raises `ValueError`."""
    try:
        return msgspec.json.decode(document.state, type=State | None)
    except msgspec.DecodeError as e:
        raise ValueError(f"this is no state of a rollout: {str(e)[:300]}") from e


def next_step(
    state: State, action: Action, told: Told, now: datetime, *, switch: bool = False
) -> State | None:
    """The state after the one step that the judge's action is; None where nothing moves.

    Only a `canary` goes on by itself, and with `switch` a `blue_green`. A pause is not lifted by
    what the judge says, but a way back is taken.
    """
    if not state.goes_on:
        return None
    if action == "rollback":
        return withdraw(state, now, "judge", told.reasons, told)
    if action == "suspend" and not state.suspended:
        return msgspec.structs.replace(
            state, suspended=True, moved=now, why=told.reasons, by="judge", told=told
        )
    if state.status == "paused":
        return None
    itself = state.strategy == "canary" or (switch and state.strategy == "blue_green")
    match action:
        case "pause":
            return pause(state, now, "judge", told.reasons, told)
        case "promote":
            return finish(state, now, "judge", told.reasons, told)
        case "step" if itself and not state.suspended:
            return advance(state, now, "judge", told.reasons, told)
    return None


def advance(
    state: State, now: datetime, by: By, why: Sequence[str], told: Told | None = None
) -> State:
    """One step up; the last one is the end."""
    if state.step + 1 >= len(state.asked.weights) - (state.strategy == "canary"):
        return finish(state, now, by, why, told)
    return msgspec.structs.replace(
        state, step=state.step + 1, stepped=now, moved=now, why=tuple(why), by=by, told=told
    )


def finish(
    state: State, now: datetime, by: By, why: Sequence[str], told: Told | None = None
) -> State:
    """All to the candidate: the end, at once."""
    return msgspec.structs.replace(
        state,
        status="done",
        step=state.step + 1,
        suspended=False,
        stepped=now,
        moved=now,
        why=tuple(why),
        by=by,
        told=told or state.told,
    )


def withdraw(
    state: State, now: datetime, by: By, why: Sequence[str], told: Told | None = None
) -> State:
    """All back to the champion: the other end."""
    return msgspec.structs.replace(
        state, status="rolled_back", moved=now, why=tuple(why), by=by, told=told or state.told
    )


def pause(
    state: State, now: datetime, by: By, why: Sequence[str], told: Told | None = None
) -> State:
    """It stays at its weight until somebody resumes it."""
    return msgspec.structs.replace(
        state, status="paused", moved=now, why=tuple(why), by=by, told=told or state.told
    )


def resume(state: State, now: datetime) -> State:
    """It goes on; what the judge paused it for pauses it no more."""
    judged = state.told.by if state.told and state.by == "judge" else ()
    overruled = tuple(dict.fromkeys((*state.overruled, *judged)))
    return msgspec.structs.replace(
        state,
        status="running",
        suspended=False,
        moved=now,
        why=(),
        by="hand",
        overruled=overruled,
    )


def settle(state: State, now: datetime) -> State:
    """Nothing is left to be done of its end; what follows is watched from now on."""
    return msgspec.structs.replace(state, settled=True, stepped=now)


def unsettled(state: State) -> State:
    """The same with all to be done of its end, such as of one that was watched and goes back."""
    return msgspec.structs.replace(state, settled=False)


def watch_no_more(state: State) -> State:
    """The time is over in which what follows its end is watched."""
    return msgspec.structs.replace(state, watch=None)


def may_settle(state: State, now: datetime) -> bool:
    """Whether the version that was replaced need not be kept any longer."""
    if state.strategy != "blue_green":
        return True
    return now - state.stepped >= state.asked.hold
