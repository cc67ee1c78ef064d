"""What follows from what both arms answered, and what is said of it."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlops_cli.experiments.evidence import ArmStep
from rollout_worlds import ERRORS, arm, config, judged, latencies, stage

MINUTE = timedelta(minutes=1)


def test_an_equal_candidate_goes_on_once_hold_and_requests_are_there() -> None:
    good = arm(0, 19_000, 380), arm(0, 1_000, 20)
    found = judged(*good, config(ERRORS), stage())
    assert (found.verdict, found.action) == ("advance", "step")
    assert found.arms["candidate"].requests == 1_000
    assert found.arms["candidate"].p50_ms == pytest.approx(5.0, rel=0.05)
    assert found.arms["champion"].mean == pytest.approx(0.3)
    early = judged(*good, config(ERRORS), stage(elapsed=MINUTE))
    assert early.verdict == "hold"
    assert early.reasons[0] == "hold: 9m of 10m are left"
    few = judged(arm(0, 1_900, 38), arm(0, 100, 2), config(ERRORS), stage())
    assert few.verdict == "hold"
    assert "500 of each arm; there are 100 of the candidate" in few.reasons[0]


def test_requests_of_earlier_steps_do_not_count_for_this_one() -> None:
    champion = arm(0, 19_000, 380), arm(1, 300, 6)
    candidate = arm(0, 1_000, 20), arm(1, 100, 2)
    found = judged(champion, candidate, config(ERRORS), stage(1))
    assert found.verdict == "hold"
    assert "100 of the candidate and 300 of the champion in this step" in found.reasons[0]


def test_a_candidate_with_twice_the_errors_is_withdrawn_with_its_numbers() -> None:
    found = judged(arm(0, 38_000, 760), arm(0, 2_000, 80), config(ERRORS), stage(elapsed=MINUTE))
    assert (found.verdict, found.action, found.by) == ("rollback", "rollback", ("error_rate",))
    (said,) = found.reasons
    assert said.startswith("error_rate: candidate 4 %, champion 2 %: 2 percentage points more")
    assert said.endswith("and the rule allows 0.5 percentage points")


def test_nothing_is_concluded_before_min_requests() -> None:
    found = judged(arm(0, 3_800, 0), arm(0, 200, 150), config(ERRORS), stage())
    assert found.verdict == "hold"
    assert judged(arm(0, 9_500, 0), arm(0, 500, 400), config(ERRORS), stage()).verdict == "rollback"


def test_more_than_the_margin_by_chance_holds_and_says_so() -> None:
    found = judged(arm(0, 9_500, 190), arm(0, 500, 15), config(ERRORS), stage())
    assert found.verdict == "hold"
    assert "1 percentage points more, which may be chance" in found.reasons[0]


def test_a_surely_worse_candidate_within_the_margin_goes_on() -> None:
    cells = arm(0, 100_000, 100), arm(0, 100_000, 400)
    found = judged(*cells, config(ERRORS), stage(0, 50))
    assert found.verdict == "advance"


def test_steps_of_other_hours_are_not_mixed() -> None:
    """Nights with a weight of 5 and few errors, a day with 50 and many: neither arm is worse."""
    champion = arm(0, 95_000, 95), arm(1, 5_000, 500)
    candidate = arm(0, 5_000, 5), arm(1, 5_000, 500)
    pooled = (505 / 10_000) / (595 / 100_000)
    assert pooled > 8
    assert judged(champion, candidate, config(ERRORS), stage(1, 5, 50)).verdict == "advance"


def test_proof_waits_until_more_than_the_margin_is_impossible() -> None:
    rule = {"metric": "error_rate", "worse_by": 0.01, "prove": True}
    few = judged(arm(0, 1_000, 20), arm(0, 1_000, 20), config(rule), stage(0, 50))
    assert few.verdict == "hold"
    assert "are still possible, and `prove` asks for less than 1 percentage" in few.reasons[0]
    many = judged(arm(0, 6_000, 120), arm(0, 6_000, 120), config(rule), stage(0, 50))
    assert many.verdict == "advance"


def test_a_slower_tail_is_withdrawn_and_needs_two_thousand_requests() -> None:
    slow = {"metric": "latency_p99", "worse_by": "20%"}
    found = judged(arm(0, 47_500), arm(0, 2_500, ms=15), config(slow), stage())
    assert (found.verdict, found.by) == ("rollback", ("latency_p99",))
    assert "206 % more, surely 162 % or more, and the rule allows 20 %" in found.reasons[0]
    few = arm(0, 34_200), arm(0, 1_800, ms=15)
    assert judged(*few, config(slow), stage()).verdict == "advance"
    last = judged(*few, config(slow), stage(last=True))
    assert last.verdict == "hold"
    assert "2,000 latencies of each arm in this step; there are 1,800" in last.reasons[0]


def paired(count: int, slower: float) -> tuple[ArmStep, ArmStep]:
    """So many latencies of both arms together, the candidate's longer by a factor."""
    own = {0.0: arm(0, 9_500), 0.05: arm(0, 500)}
    ms = [latencies(count, 5.0 * factor) for factor in (1.0, slower)]
    quicker = ms[0] if slower >= 1 else ms[1]
    champion, candidate = own.values()
    return replace(champion, latency=ms[0]), replace(candidate, latency=ms[1], quicker=quicker)


def test_of_pairs_five_hundred_are_enough() -> None:
    rule = {"metric": "latency_p99", "worse_by": "20%"}
    found = judged(*paired(500, 1.34), config(rule), stage(elapsed=MINUTE))
    assert (found.verdict, found.by) == ("rollback", ("latency_p99",))
    assert "% more, surely more than nothing, and the rule allows 20 %" in found.reasons[0]
    for slower in (0.5, 1.0, 1.1):
        found = judged(*paired(500, slower), config(rule), stage())
        assert found.verdict == "advance", slower
    few = judged(*paired(499, 1.34), config(rule), stage(last=True))
    assert "500 latencies of each arm in this step; there are 499" in few.reasons[0]
    mixed = list(paired(500, 1.34))
    mixed[1] = replace(mixed[1], quicker={70: 499})  # a server of before tells of no pairs
    assert "2,000 latencies" in judged(*mixed, config(rule), stage(last=True)).reasons[0]


def test_other_answers_pause_up_or_down_and_resuming_waives_that() -> None:
    rule = {"metric": "prediction_mean", "differs_by": 0.05, "then": "pause"}
    for mean in (0.2, 0.4):
        cells = arm(0, 19_000), arm(0, 1_000, mean=mean)
        found = judged(*cells, config(rule), stage())
        assert (found.verdict, found.action) == ("pause", "pause")
        waived = stage(waived=frozenset(found.by))
        assert judged(*cells, config(rule), waived).verdict == "advance"


def test_a_regression_is_told_in_the_champions_deviations() -> None:
    rule = {"metric": "prediction_mean", "differs_by": 0.3, "then": "rollback"}
    cells = arm(0, 19_000, mean=100), arm(0, 1_000, mean=100.1)
    found = judged(*cells, config(rule), stage(task="regression"))
    assert found.verdict == "rollback"
    assert "0.5 standard deviations higher" in found.reasons[0]


def test_shares_that_are_not_as_assigned_stop_every_verdict() -> None:
    found = judged(arm(0, 19_000, 380), arm(0, 1_300, 200), config(ERRORS), stage())
    assert (found.verdict, found.by) == ("pause", ("sample_ratio",))
    assert "6.404% of 20,300 requests of step 1 met the candidate" in found.reasons[0]
    mirrored = stage(0, 100, mirrored=frozenset({0}))
    assert judged(arm(0, 900), arm(0, 880), config(ERRORS), mirrored).verdict == "advance"


def test_a_silent_arm_is_told() -> None:
    found = judged(arm(0, 1_000), (), config(ERRORS), stage())
    assert (found.verdict, found.by) == ("pause", ("silent",))
    assert "the candidate is silent: it met no request in this step" in found.reasons[0]
    assert judged(arm(0, 50), (), config(ERRORS), stage()).verdict == "hold"
    none = judged((), (), config(ERRORS), stage())
    assert none.verdict == "hold"
    assert "no request came in this step" in none.reasons


def test_max_time_without_a_verdict_is_told_and_obeyed() -> None:
    day = timedelta(days=1)
    for then, action in (("hold", "none"), ("rollback", "rollback"), ("promote", "promote")):
        found = judged((), (), config(ERRORS, inconclusive=then), stage(elapsed=day))
        assert (found.action, found.inconclusive) == (action, True)
        assert "nothing was decided in 1d" in found.reasons[0]


BEFORE = ArmStep(-1, 50_000, 500)


def test_where_both_arms_got_worse_the_candidate_is_kept_back_and_withdrawn_if_it_was_it() -> None:
    worse = arm(0, 19_000, 1_900), arm(0, 1_000, 100)
    found = judged(*worse, config(ERRORS), stage(), before=BEFORE)
    assert (found.verdict, found.action, found.by) == ("hold", "suspend", ("before",))
    assert (
        "both arms are worse than before the rollout: error_rate 10 %, before 1 %"
        in (found.reasons[0])
    )
    alone = stage(1, 5, 0, suspended=True)
    early = judged((worse[0], arm(1, 100, 1)), worse[1], config(ERRORS), alone, before=BEFORE)
    assert early.action == "none"
    well = judged((worse[0], arm(1, 900, 9)), worse[1], config(ERRORS), alone, before=BEFORE)
    assert (well.action, well.by) == ("rollback", ("before",))
    ill = judged((worse[0], arm(1, 900, 90)), worse[1], config(ERRORS), alone, before=BEFORE)
    assert ill.verdict == "hold"
    assert "the cause is elsewhere" in ill.reasons[0]


def test_a_relative_margin_is_held_to_the_champions_own() -> None:
    rule = {"metric": "error_rate", "worse_by": "50%"}
    within = judged(arm(0, 95_000, 1_900), arm(0, 5_000, 140), config(rule), stage())
    assert within.verdict == "advance"
    beyond = judged(arm(0, 95_000, 1_900), arm(0, 5_000, 200), config(rule), stage())
    assert beyond.verdict == "rollback"
    assert "100 % more" in beyond.reasons[0]


def test_the_same_evidence_gives_the_same_verdict_and_classes_have_no_mean() -> None:
    cells = arm(0, 95_000, 1_900), arm(0, 5_000, 100, mean=0.9)
    at = stage(task="multiclass")
    found = judged(*cells, config(), at)
    assert found == judged(*cells, config(), at)
    assert found.verdict == "advance"
    assert not any("prediction_mean" in said for said in found.reasons)


COUNT = st.integers(0, 10**9)
CELL = st.builds(
    ArmStep,
    st.integers(0, 2),
    COUNT,
    COUNT,
    COUNT,
    st.floats(-1e12, 1e12),
    st.floats(0, 1e24),
    st.dictionaries(st.integers(0, 500), COUNT, max_size=4),
)


@given(
    st.lists(CELL, max_size=4),
    st.lists(CELL, max_size=4),
    st.one_of(st.none(), CELL),
    st.sampled_from(["binary", "regression", "multiclass"]),
    st.sampled_from([(0.01, 25.0, 50.0), (5.0, 0.0, 99.99), (100.0, 100.0, 100.0)]),
)
def test_whatever_was_counted_there_is_a_verdict(
    champion, candidate, before, task, percents
) -> None:  # type: ignore[no-untyped-def]
    rules = [
        {"metric": "error_rate", "worse_by": "20%", "prove": True},
        {"metric": "latency_p50", "worse_by": "1ms", "prove": True},
        {"metric": "latency_p99", "worse_by": "20%"},
        {"metric": "prediction_mean", "differs_by": 0.05, "prove": True},
    ]
    for mirrored in (frozenset[int](), frozenset({0, 1, 2})):
        at = stage(2, *percents, task=task, mirrored=mirrored)
        found = judged(champion, candidate, config(*rules), at, before=before)
        assert found.reasons
        assert all("nan" not in said for said in found.reasons)
