"""What of a window is independent: a subject counts once, and a day is no sample of a year."""

from __future__ import annotations

from pathlib import Path

import msgspec
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from mlops_cli.bundle.manifest import Input
from mlops_cli.bundle.plan import ID
from mlops_cli.bundle.profile import Profile
from mlops_cli.monitoring.counts.comparison import compare
from mlops_cli.monitoring.counts.subjects import one_of_each, one_of_each_sql
from mlops_cli.monitoring.drift.profile import Units, build_profile
from mlops_cli.monitoring.drift.spans import span_for
from mlops_cli.monitoring.drift.verdict import find_drift
from mlops_cli.tables import open_engine
from mlops_cli.tables.base import ROW

ALPHA = 1 / 30
DAY = 86_400_000_000


def inputs_of(table: pa.Table) -> list[Input]:
    return [
        Input(n, "text" if pa.types.is_string(table[n].type) else "float", True, None, "event")
        for n in table.column_names
        if not n.startswith("__")
    ]


def profile_of(table: pa.Table, units: Units) -> Profile:
    raw = build_profile(table, inputs=inputs_of(table), features=[], importance={}, units=units)
    return msgspec.json.decode(raw, type=Profile)


def drifts(profile: Profile, table: pa.Table, seconds: float = 0.0) -> bool:
    found = compare(profile, [table])
    span = span_for(profile.spans, seconds) if profile.spans else None
    return any(c.drifted for c in find_drift(found, ALPHA, span))


def customers(rng: np.random.Generator, ids: np.ndarray) -> pa.Table:
    """Eight months of each customer, of whom most figures stay nearly the same."""
    spend, age = rng.gamma(4, 10, 10_000)[ids], rng.integers(18, 90, 10_000)[ids]
    plan = rng.choice(["a", "b", "c"], 10_000)[ids]
    each = np.repeat(np.arange(len(ids)), 8)
    n = len(each)
    return pa.table(
        {
            ROW: np.arange(n),
            f"{ID}customer": ids[each],
            "spend": spend[each] + rng.normal(0, 1, n),
            "age": age[each].astype(float),
            "plan": plan[each],
            "noise": rng.normal(0, 1, n),
        }
    )


def test_windows_of_a_few_customers_are_quiet_and_a_shift_of_theirs_is_found() -> None:
    whole = customers(np.random.default_rng(0), np.arange(300))
    profile = profile_of(whole, Units(("customer",)))
    assert profile.rows == 300
    by_row = profile_of(whole, Units())
    rng = np.random.default_rng(1)
    alarms = naive = found = 0
    for _ in range(100):
        chosen = rng.choice(300, 60, replace=False)
        window = whole.filter(np.isin(np.asarray(whole[f"{ID}customer"]), chosen))
        once = window.take(one_of_each(window, [f"{ID}customer"]))
        assert once.num_rows == 60
        alarms += drifts(profile, once)
        naive += drifts(by_row, window)
        at = once.column_names.index("spend")
        more = once.set_column(at, "spend", pa.array(np.asarray(once["spend"]) + 20))
        found += drifts(profile, more)
    assert naive > 50  # what rows that are taken as independent come to
    assert alarms <= 5
    assert found >= 90


def weather(days: int, rng: np.random.Generator) -> tuple[pa.Table, np.ndarray]:
    """Hours of a year and more: a season, days that differ, and hours that follow each other."""
    hours = np.arange(days * 24)
    season = 12 * np.sin(2 * np.pi * hours / 24 / 365)
    day = np.repeat(rng.normal(0, 4, days), 24)
    temp = 10 + season + day + 3 * np.sin(2 * np.pi * hours / 24) + rng.normal(0, 0.5, len(hours))
    wind = np.repeat(rng.gamma(2, 3, days), 24) + rng.normal(0, 0.5, len(hours))
    sky = np.repeat(rng.choice(["clear", "grey", "rain"], days), 24)
    micros = np.datetime64("2022-01-01", "us").astype(np.int64) + hours * (DAY // 24)
    columns = {ROW: hours, "temp": temp, "wind": wind, "sky": sky, "draw": rng.random(len(hours))}
    columns["twice"] = rng.random(len(hours))
    table = pa.table(columns)
    both = pa.concat_tables([table, table]).take(np.argsort(np.tile(micros, 2), kind="stable"))
    return both, np.repeat(micros, 2)


def test_a_day_of_the_training_months_is_quiet_and_a_column_that_is_another_is_found() -> None:
    table, moments = weather(400, np.random.default_rng(0))
    profile = profile_of(table, Units((), moments))
    assert [s.seconds for s in profile.spans] == [86_400, 604_800, 2_592_000]
    alarms = naive = found = 0
    days = np.unique(moments // DAY)
    chosen = np.random.default_rng(1).choice(days, 100, replace=False)
    without = msgspec.structs.replace(profile, spans=())
    for day in chosen:
        window = table.filter(moments // DAY == day)
        alarms += drifts(profile, window, 23 * 3600)
        naive += drifts(without, window)
        at = window.column_names.index("draw")
        broken = window.set_column(at, "draw", pa.array(np.asarray(window["draw"]) + 2))
        found += drifts(profile, broken, 23 * 3600)
    assert naive == 100
    assert alarms <= 8  # 3.3 of 100 are budgeted
    assert found >= 90


def test_windows_of_independent_rows_ask_for_no_less_than_chance() -> None:
    rng = np.random.default_rng(0)
    n = 20_000
    moments = np.sort(rng.integers(0, 200 * DAY, n))
    table = pa.table({ROW: np.arange(n), "x": rng.normal(0, 1, n), "y": rng.normal(0, 1, n)})
    profile = profile_of(table, Units((), moments))
    without = msgspec.structs.replace(profile, spans=())
    window = pa.table({"x": rng.normal(0.8, 1, 100), "y": rng.normal(0, 1, 100)})
    found = compare(profile, [window])
    plain = {c.name: c for c in find_drift(found, ALPHA)}
    spans = {c.name: c for c in find_drift(found, ALPHA, span_for(profile.spans, 86_400))}
    assert all(spans[name].threshold >= plain[name].threshold for name in plain)
    assert spans["x"].drifted
    assert not without.spans


@pytest.mark.parametrize("seconds", [3600, 86_000, 200_000, 700_000])
def test_the_span_is_that_of_the_windows_length_or_shorter(seconds: int) -> None:
    table, moments = weather(400, np.random.default_rng(0))
    profile = profile_of(table, Units((), moments))
    span = span_for(profile.spans, seconds)
    assert span is not None
    expected = {3600: 86_400, 86_000: 86_400, 200_000: 86_400, 700_000: 604_800}
    assert span.seconds == expected[seconds]


def test_one_of_each_is_the_same_by_sql(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    who = [None if i % 10 == 0 else int(v) for i, v in enumerate(rng.integers(0, 50, 500))]
    where = rng.choice(["a", "b"], 500)
    pq.write_table(pa.table({"who": who, "where": where}), tmp_path / "t.parquet")
    table = pa.table({ROW: np.arange(500), "who": who, "where": where})
    for columns in (["who"], ["who", "where"]):
        chosen = one_of_each(table, columns)
        with open_engine() as engine:
            relation = engine.typed(tmp_path / "t.parquet", {"who": "integer", "where": "text"})
            found = engine.rows(one_of_each_sql(relation, columns))
        assert sorted(row[0] for row in found) == chosen.tolist()
    assert len(one_of_each(table, ["who"])) == 50 + 50
