"""The steps of a rollout by themselves: each strategy to both ends, and its documents."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from mlops_cli.config.sections.rollout import RolloutConfig
from mlops_cli.experiments.rollout import (
    Action,
    State,
    Told,
    begin,
    cell_of,
    document_of,
    finish,
    may_settle,
    next_step,
    parse_state,
    pause,
    percents,
    resume,
    settle,
    withdraw,
)
from mlops_cli.serving.rollouts.traffic import Document, parse_document

T = datetime(2026, 11, 30, 12, tzinfo=UTC)
A, B = "a" * 64, "b" * 64
FINE, WORSE = Told("advance", ("no worse",)), Told("rollback", ("more errors",))
DOUBT = Told("pause", ("other answers",), by=("prediction_mean",))


def state_of(**config: Any) -> State:
    return begin(RolloutConfig.model_validate(config), (A, B), "salt", T, None)


def later(minutes: float) -> datetime:
    return T + timedelta(minutes=minutes)


def said(action: Action, state: State, told: Told = FINE, **how: Any) -> State:
    moved = next_step(state, action, told, later(11), **how)
    assert moved is not None
    return moved


def test_a_canary_goes_up_by_its_steps_and_ends_at_100() -> None:
    state = state_of(strategy="canary", steps=[5, 25, 100])
    seen = [state.weight]
    while state.goes_on:
        state = said("step", state)
        seen.append(state.weight)
    assert seen == [5, 25, 100]
    assert (state.status, state.kept, state.stepped, state.why) == (
        "done", True, later(11), FINE.reasons,
    )  # fmt: skip
    assert next_step(state, "step", FINE, later(12)) is None


def test_a_canary_that_ends_below_100_goes_there_last() -> None:
    state = said("step", state_of(strategy="canary", steps=[20]))
    assert (state.status, state.weight) == ("done", 100)


@pytest.mark.parametrize("strategy", ["ab", "shadow", "blue_green"])
def test_others_end_by_a_rule_or_by_hand_alone(strategy: str) -> None:
    state = state_of(strategy=strategy, steps=[30])
    assert next_step(state, "step", FINE, later(11)) is None
    assert said("rollback", state, WORSE).status == "rolled_back"
    assert finish(state, later(11), "hand", ()).weight == 100


def test_a_blue_green_that_is_waited_for_switches_and_keeps_the_old_one() -> None:
    state = state_of(strategy="blue_green", hold="10m")
    assert (state.weight, state.meets, state.mirrors) == (0, 100, True)
    state = said("step", state, switch=True)
    assert (state.status, state.weight, state.mirrors, state.kept) == ("done", 100, False, True)
    assert not may_settle(state, later(20))
    assert may_settle(state, later(21))
    back = withdraw(state, later(12), "hand", ("slow",))
    assert (back.weight, document_of(back, 4).traffic) == (0, None)


def test_a_pause_holds_against_good_news_and_not_against_bad() -> None:
    state = said("pause", state_of(strategy="canary"), DOUBT)
    assert (state.status, state.weight, state.why) == ("paused", 5, DOUBT.reasons)
    for action in ("step", "promote", "pause", "none"):
        assert next_step(state, action, FINE, later(30)) is None  # type: ignore[arg-type]  # listed
    assert said("rollback", state, WORSE).status == "rolled_back"
    on = resume(state, later(12))
    assert (on.status, on.overruled, on.stepped) == ("running", ("prediction_mean",), T)


def test_what_somebody_paused_overrules_nothing() -> None:
    state = pause(said("step", state_of(strategy="canary"), DOUBT), later(3), "hand", ("lunch",))
    assert resume(state, later(4)).overruled == ()


def test_both_worse_than_before_takes_the_weight_and_counts_apart() -> None:
    state = state_of(strategy="canary", steps=[5, 100])
    held = said("suspend", state)
    assert (held.weight, held.goes_on, held.step) == (0, True, 0)
    assert cell_of(held) != cell_of(state)
    assert percents(held)[cell_of(held)] == 0
    assert percents(held)[cell_of(state)] == 5
    assert next_step(held, "suspend", FINE, later(12)) is None
    assert next_step(held, "step", FINE, later(12)) is None
    assert resume(held, later(13)).weight == 5


def test_a_document_survives_its_text_and_ends_with_the_rollout() -> None:
    state = state_of(strategy="ab", steps=[30], sticky=["city"]).at("../b")
    document = document_of(state, 7)
    text = b'{"generation":7,"traffic":%s,"state":%s}'
    assert document.traffic is not None
    assert (document.traffic.percent, document.traffic.sticky) == (30, ("city",))
    assert (document.traffic.candidate_path, document.traffic.warm_until) == ("../b", later(1))
    assert parse_state(document) == state
    assert parse_document(text % (b"null", bytes(document.state))).state == document.state
    done = finish(state, later(5), "hand", ())
    traffic = document_of(done, 8).traffic
    assert traffic is not None
    assert (traffic.percent, traffic.mirror) == (100, False)
    assert document_of(settle(done, later(6)), 9).traffic is None
    assert parse_state(Document(1)) is None


def test_a_state_of_nonsense_is_told() -> None:
    with pytest.raises(ValueError, match="no state of a rollout"):
        parse_state(parse_document(b'{"generation": 1, "state": {"status": "flying"}}'))
