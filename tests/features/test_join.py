"""The join in time, against a plain reference: nothing known after the event is ever used."""

from __future__ import annotations

import random
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from mlops_cli.config.sections.features import JoinConfig
from mlops_cli.errors import DataError
from mlops_cli.features.base import JoinSource
from mlops_cli.features.events import Events, Rejected, events_sql
from mlops_cli.tables import open_engine
from mlops_cli.tables.base import ROW

START = datetime(2013, 1, 1)
EVENT_TYPES = {"key": "text", "time": "timestamp"}
RIGHT_TYPES = {"key": "text", "at": "timestamp", "value": "integer"}
# Whole half hours, so that events fall exactly on the moment at which a row becomes known.
TIMES = st.none() | st.integers(0, 12).map(lambda n: START + timedelta(minutes=30 * n))
KEYS = st.none() | st.sampled_from("ab")
EVENTS = st.lists(st.tuples(KEYS, TIMES), min_size=1, max_size=12)
RIGHTS = st.lists(st.tuples(KEYS, TIMES), max_size=12)
HOUR = timedelta(hours=1)


def reference(events, rights, on: bool, lag: timedelta, ttl: timedelta | None) -> list[int | None]:
    """For each event the value (its row) of the newest row known by then, the last of equals."""
    found = []
    for key, time in events:
        best = None
        for row, (right_key, at) in enumerate(rights):
            if time is None or at is None or at + lag > time:
                continue
            if on and (key is None or right_key != key):
                continue
            if best is None or at >= rights[best][1]:
                best = row
        too_old = best is not None and ttl is not None and rights[best][1] < time - ttl
        found.append(None if too_old else best)
    return found


def joined(folder: Path, events, rights, config: JoinConfig, **kwargs: Any) -> list[Any]:
    left = {"key": [k for k, _ in events], "time": [t for _, t in events]}
    right = {"key": [k for k, _ in rights], "at": [t for _, t in rights]}
    right["value"] = list(range(len(rights)))
    moment = pa.timestamp("us")
    schema = pa.schema({"key": pa.string(), "time": moment})
    pq.write_table(pa.table(left, schema=schema), folder / "events.parquet")
    schema = pa.schema({"key": pa.string(), "at": moment, "value": pa.int64()})
    pq.write_table(pa.table(right, schema=schema), folder / "right.parquet")
    source = JoinSource(folder / "right.parquet", RIGHT_TYPES, config)
    made = Events(EVENT_TYPES, "time", [source], ["value"], [])
    with open_engine() as engine:
        relation = engine.typed(folder / "events.parquet", EVENT_TYPES)
        sql = events_sql(engine, made, relation, kwargs.get("rejected", Rejected(None)))
        rows = engine.rows(f"select {ROW}, value from ({sql}) order by {ROW}")
    assert [row for row, _ in rows] == list(range(len(events)))
    return [value for _, value in rows]


@settings(deadline=None, max_examples=60, suppress_health_check=list(HealthCheck))
@given(
    events=EVENTS,
    rights=RIGHTS,
    on=st.booleans(),
    lag=st.sampled_from([timedelta(0), HOUR]),
    ttl=st.sampled_from([None, timedelta(0), HOUR, 2 * HOUR]),
)
@example([("a", START + HOUR)], [("a", START)], True, HOUR, None)  # known at this very moment
@example([("a", START + HOUR)], [("a", START + HOUR)], True, HOUR, None)  # known an hour later
@example([("a", START + HOUR)], [("a", START)], True, timedelta(0), HOUR)  # just fresh enough
@example([("a", START)], [("a", START), ("a", START)], True, timedelta(0), None)  # equals
def test_the_join_uses_the_newest_row_that_was_known(tmp_path, events, rights, on, lag, ttl):
    keys = ("key",) if on else ()
    config = JoinConfig(table="right.parquet", on=keys, asof="at", columns=("value",))
    config = config.model_copy(update={"lag": lag, "ttl": ttl})
    assert joined(tmp_path, events, rights, config) == reference(events, rights, on, lag, ttl)


WRITTEN = st.none() | st.integers(0, 14).map(lambda n: START + timedelta(minutes=30 * n))
VERSIONS = st.lists(st.tuples(KEYS, TIMES, WRITTEN), max_size=14)
# Over the end of February of a leap year, at clocks that are set forward in many zones.
MOVED = [timedelta(0), datetime(2024, 2, 29) - START, datetime(2024, 3, 31, 1) - START]


def as_known(event, rows, on: bool, lag: timedelta, ttl: timedelta | None) -> int | None:
    """The last version that was written by then of the newest row that was known, or None."""
    key, time = event
    seen = [
        (at, written, row)
        for row, (of, at, written) in enumerate(rows)
        if time is not None
        and None not in (at, written)
        and not (on and (key is None or of != key))
        and at + lag <= time
        and written <= time
    ]
    if not seen or (ttl is not None and max(seen)[0] < time - ttl):
        return None
    return max(seen)[2]


def versions(folder: Path, events, rows, config: JoinConfig) -> list[int | None]:
    moment = pa.timestamp("us")
    left = {"key": [k for k, _ in events], "time": [t for _, t in events]}
    schema = pa.schema({"key": pa.string(), "time": moment})
    pq.write_table(pa.table(left, schema=schema), folder / "events.parquet")
    right = {"key": [r[0] for r in rows], "at": [r[1] for r in rows], "by": [r[2] for r in rows]}
    schema = pa.schema({"key": pa.string(), "at": moment, "by": moment, "value": pa.int64()})
    made = pa.table(right | {"value": list(range(len(rows)))}, schema=schema)
    pq.write_table(made, folder / "right.parquet")
    source = JoinSource(folder / "right.parquet", {**RIGHT_TYPES, "by": "timestamp"}, config)
    wanted = Events(EVENT_TYPES, "time", [source], ["value"], [])
    with open_engine() as engine:
        sql = events_sql(
            engine, wanted, engine.typed(folder / "events.parquet", EVENT_TYPES), Rejected(None)
        )
        found = engine.rows(f"select {ROW}, value from ({sql}) order by {ROW}")
    assert [row for row, _ in found] == list(range(len(events)))
    return [value for _, value in found]


def corrected(on: bool, lag: timedelta, ttl: timedelta | None) -> JoinConfig:
    keys = ("key",) if on else ()
    config = JoinConfig(table="r", on=keys, asof="at", known_at="by", columns=("value",))
    return config.model_copy(update={"lag": lag, "ttl": ttl})


@settings(deadline=None, max_examples=60, suppress_health_check=list(HealthCheck))
@given(
    events=EVENTS,
    rows=VERSIONS,
    on=st.booleans(),
    lag=st.sampled_from([timedelta(0), HOUR]),
    ttl=st.sampled_from([None, HOUR, 2 * HOUR]),
    moved=st.sampled_from(MOVED),
)
@example(
    [("a", START + HOUR)],
    [("a", START, START), ("a", START, START + HOUR)],
    True,
    timedelta(0),
    None,
    MOVED[1],
)  # corrected at this very moment
@example(
    [("a", START + HOUR)],
    [("a", START, START), ("a", START, START + 2 * HOUR)],
    True,
    timedelta(0),
    None,
    MOVED[0],
)  # corrected later: not seen
@example(
    [("a", START + 2 * HOUR)],
    [("a", START + HOUR, START + HOUR), ("a", START, START + 2 * HOUR)],
    True,
    timedelta(0),
    None,
    MOVED[0],
)  # an older row that is corrected does not become the newest
def test_a_correction_is_not_seen_before_it_was_written(
    tmp_path, events, rows, on, lag, ttl, moved
):  # fmt: skip
    events = [(k, t and t + moved) for k, t in events]
    rows = [(k, a and a + moved, w and w + moved) for k, a, w in rows]
    wanted = [as_known(event, rows, on, lag, ttl) for event in events]
    assert versions(tmp_path, events, rows, corrected(on, lag, ttl)) == wanted


def test_what_is_written_later_may_be_anything(tmp_path):
    """Rows written after the event are shuffled, changed and taken away: its value stays."""
    draw = random.Random(5)
    event = START + 6 * HOUR
    rows = [
        (
            draw.choice("ab"),
            START + draw.randrange(12) * HOUR / 2,
            START + draw.randrange(24) * HOUR,
        )
        for _ in range(200)
    ]
    config = corrected(True, timedelta(0), None)
    past = [row for row in rows if row[2] <= event]
    future = [row for row in rows if row[2] > event]
    assert len(past) > 20 < len(future)
    before = versions(tmp_path, [("a", event), ("b", event)], past, config)
    assert None not in before
    for _ in range(5):
        draw.shuffle(future)
        kept = [(draw.choice("ab"), at, by) for _, at, by in future[: draw.randrange(len(future))]]
        assert versions(tmp_path, [("a", event), ("b", event)], past + kept, config) == before


def test_known_at_stands_beside_asof():
    with pytest.raises(ValueError, match="`known_at` needs `asof`"):
        JoinConfig(table="t", on=("key",), known_at="by", columns=("value",))
    with pytest.raises(ValueError, match="a store keeps no versions"):
        JoinConfig(table="t", on=("k",), asof="at", known_at="by", columns=("v",), source="online")
    with pytest.raises(ValueError, match="says nothing more"):
        JoinConfig(table="t", asof="at", known_at="at", columns=("value",))


def test_a_join_on_keys_alone_takes_the_one_row(tmp_path):
    config = JoinConfig(table="right.parquet", on=("key",), columns=("value",))
    rights = [("b", None), ("a", None), (None, START), (None, START)]
    events = [("a", START), ("b", None), (None, START), ("c", START)]
    assert joined(tmp_path, events, rights, config) == [1, 0, None, None]


def test_keys_that_occur_twice_are_refused_where_no_time_decides(tmp_path):
    config = JoinConfig(table="right.parquet", on=("key",), columns=("value",))
    with pytest.raises(DataError, match=r"right\.parquet has 2 rows with key = 'a'"):
        joined(tmp_path, [("a", START)], [("a", START), ("a", START)], config)


def test_rejected_rows_of_a_joined_table_are_not_seen(tmp_path):
    config = JoinConfig(table="data/right.parquet", on=("key",), asof="at", columns=("value",))
    bad = {"table": ["data/right.parquet", "other"], "row": [1, 0], "column": ["", ""]}
    pq.write_table(pa.table(bad), tmp_path / "rejected.parquet")
    rejected = Rejected(tmp_path / "rejected.parquet")
    rights = [("a", START), ("a", START + HOUR)]
    events = [("a", START + 2 * HOUR)]
    assert joined(tmp_path, events, rights, config, rejected=rejected) == [0]
    assert joined(tmp_path, events, rights, config) == [1]
