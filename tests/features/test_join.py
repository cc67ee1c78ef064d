"""The join in time, against a plain reference: nothing known after the event is ever used."""

from __future__ import annotations

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
