"""Windows held to earlier ones: which they are, and that a Sunday is no drift."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import msgspec
import numpy as np
import pyarrow as pa
import pytest

from mlops_cli.bundle.manifest import Input
from mlops_cli.bundle.profile import Profile
from mlops_cli.monitoring.counts.comparison import compare
from mlops_cli.monitoring.drift.earlier import Baseline, earlier_windows, hold_to
from mlops_cli.monitoring.drift.profile import Units, build_profile
from mlops_cli.monitoring.drift.spans import span_for
from mlops_cli.monitoring.drift.verdict import find_drift

ALPHA = 1 / 30
DAY = timedelta(days=1)
MONDAY = datetime(2026, 3, 2, tzinfo=UTC)
ROWS = 400


def days(first: int, last: int) -> list[datetime]:
    return [MONDAY + i * DAY for i in range(first, last)]


def rows(rng: np.random.Generator, day: datetime, *, shift: float = 0.0) -> pa.Table:
    """A day: Sundays are another crowd, and each day has a mood of its own."""
    sunday = day.weekday() == 6
    columns = {
        f"n{i}": rng.normal(shift * (i == 0) + 1.0 * sunday + 0.15 * rng.normal(), 1, ROWS)
        for i in range(4)
    }
    kinds = [0.2, 0.2, 0.6] if sunday else [0.6, 0.3, 0.1]
    return pa.table({**columns, "kind": rng.choice(["a", "b", "c"], ROWS, p=kinds)})


def trained(rng: np.random.Generator) -> Profile:
    """The profile of twenty weeks that end before the first Monday."""
    training = days(-140, 0)
    table = pa.concat_tables([rows(rng, day) for day in training])
    moments = np.repeat([int(day.timestamp() * 1e6) for day in training], ROWS)
    names = [
        Input(n, "text" if n == "kind" else "float", True, None, "event")
        for n in table.column_names
    ]
    raw = build_profile(table, inputs=names, features=[], importance={}, units=Units((), moments))
    return msgspec.json.decode(raw, type=Profile)


def drifted(
    profile: Profile, baseline: Baseline, log: dict[datetime, pa.Table], now: datetime
) -> list[str]:
    span = span_for(profile.spans, DAY.total_seconds())
    window = compare(profile, [log[now]])
    earlier = [compare(profile, [log[day]]) for day in earlier_windows(baseline, now, log)]
    if not earlier:
        found = find_drift(window, ALPHA, span)
    else:
        held = hold_to(earlier, window, span)
        found = find_drift(held.columns, ALPHA, held.span)
    return [c.name for c in found if c.drifted]


def test_the_last_window_is_the_newest_earlier_one() -> None:
    assert earlier_windows("last_window", MONDAY, days(-9, 3)) == (MONDAY - DAY,)
    assert earlier_windows("last_window", MONDAY, days(0, 3)) == ()


def test_the_same_weekday_needs_four_of_them_and_takes_the_latest() -> None:
    assert earlier_windows("same_weekday", MONDAY, days(-27, 1)) == ()
    found = earlier_windows("same_weekday", MONDAY, days(-28, 1))
    assert found == tuple(MONDAY - 7 * k * DAY for k in (4, 3, 2, 1))
    many = earlier_windows("same_weekday", MONDAY, days(-700, 1))
    assert (len(many), many[-1]) == (12, MONDAY - 7 * DAY)


def test_windows_of_hours_are_of_the_same_hour() -> None:
    hours = [MONDAY - timedelta(hours=h) for h in range(1, 24 * 35)]
    found = earlier_windows("same_weekday", MONDAY, hours)
    assert [one.hour for one in found] == [0] * 4


def test_training_is_no_window() -> None:
    assert earlier_windows("training", MONDAY, days(-28, 0)) == ()


def test_a_value_that_earlier_windows_lack_is_unseen() -> None:
    rng = np.random.default_rng(1)
    log = {day: rows(rng, day) for day in days(0, 2)}
    profile = trained(rng)
    only = pa.table({**{n: log[MONDAY][n] for n in log[MONDAY].column_names}, "kind": ["a"] * ROWS})
    before, now = (compare(profile, [one]) for one in (only, log[MONDAY + DAY]))
    (kind,) = [c for c in hold_to([before], now).columns if c.profile.name == "kind"]
    assert kind.unseen == sum(v != "a" for v in log[MONDAY + DAY]["kind"].to_pylist())
    assert kind.reference.sum() == ROWS


def test_a_shift_is_found_beside_any_baseline() -> None:
    rng = np.random.default_rng(2)
    profile = trained(rng)
    now = MONDAY + 71 * DAY
    log = {day: rows(rng, day) for day in days(0, 71)}
    log[now] = rows(rng, now, shift=2.5)
    for baseline in ("last_window", "same_weekday"):
        assert drifted(profile, baseline, log, now) == ["n0"], baseline


def test_sundays_tell_of_a_smaller_shift_than_a_year_with_all_its_days() -> None:
    rng = np.random.default_rng(5)
    profile = trained(rng)
    now = MONDAY + 83 * DAY  # a Sunday
    log = {day: rows(rng, day) for day in days(0, 83)}
    assert drifted(profile, "training", log, MONDAY + 6 * DAY) == []  # a Sunday as any
    log[now] = rows(rng, now, shift=-1.0)
    assert drifted(profile, "training", log, now) == []
    assert drifted(profile, "same_weekday", log, now) == ["n0"]


@pytest.mark.slow
@pytest.mark.parametrize("baseline", ["training", "same_weekday"])
def test_a_sunday_is_no_drift(baseline: Baseline) -> None:
    rng = np.random.default_rng(3)
    alarms, windows = 0, 0
    for _ in range(10):
        profile = trained(rng)
        log = {day: rows(rng, day) for day in days(0, 84 + 28)}
        for day in days(84, 84 + 28):
            alarms += bool(drifted(profile, baseline, log, day))
            windows += 1
    assert alarms / windows <= ALPHA + 2 * np.sqrt(ALPHA / windows), (alarms, windows)


@pytest.mark.slow
def test_independent_days_beside_earlier_ones_seldom_alarm() -> None:
    rng = np.random.default_rng(4)
    profile = trained(rng)
    alarms = 0
    for _ in range(300):
        counted = [
            compare(
                profile,
                [
                    pa.table(
                        {n: rng.normal(size=ROWS) for n in ("n0", "n1", "n2", "n3")}
                        | {"kind": rng.choice(["a", "b", "c"], ROWS)}
                    )
                ],
            )
            for _ in range(2)
        ]
        held = hold_to(counted[:1], counted[1])
        alarms += any(c.drifted for c in find_drift(held.columns, ALPHA, held.span))
    assert alarms / 300 <= ALPHA + 2 * np.sqrt(ALPHA / 300), alarms
