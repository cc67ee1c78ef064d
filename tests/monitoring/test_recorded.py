"""Rows by day: each segment's once, whatever was killed in between, and bounded in time."""

from __future__ import annotations

import subprocess
import sys
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from mlops_cli.monitoring.collected import recorded
from mlops_cli.monitoring.collected.recorded import (
    PREDICTION_SCHEMA,
    Recorded,
    in_batches,
    keep_last,
)


def _rows(segment: str, *moments: str) -> pa.Table:
    times = [datetime.fromisoformat(m).replace(tzinfo=UTC) for m in moments]
    columns = {
        "time": times,
        "request_id": [f"{segment}-{i}" for i in range(len(times))],
        "row": [0] * len(times),
        "inputs": ['{"a":1}'] * len(times),
        "segment": [segment] * len(times),
    }
    filled = {n: columns.get(n, [None] * len(times)) for n in PREDICTION_SCHEMA.names}
    return pa.table(filled, schema=PREDICTION_SCHEMA)


def _store(folder: Path) -> Recorded:
    return Recorded(folder, PREDICTION_SCHEMA)


def _ids(folder: Path) -> list[str]:
    sql = f"select request_id from read_parquet('{folder}/date=*/*.parquet') order by 1"
    return [row[0] for row in duckdb.execute(sql).fetchall()]


def test_a_row_stands_under_its_day_in_utc_and_once(tmp_path: Path) -> None:
    rows = _rows("s1", "2026-03-01T23:59:59", "2026-03-02T00:00:00")
    assert _store(tmp_path).add(rows) == 2
    assert _store(tmp_path).add(rows) == 0
    assert _store(tmp_path).days() == [date(2026, 3, 1), date(2026, 3, 2)]
    sql = f"select date, request_id, time from read_parquet('{tmp_path}/date=*/*.parquet')"
    found = duckdb.execute(f"{sql} order by time").fetchall()
    assert [(d, i, t.isoformat()) for d, i, t in found] == [
        (date(2026, 3, 1), "s1-0", "2026-03-01T23:59:59"),
        (date(2026, 3, 2), "s1-1", "2026-03-02T00:00:00"),
    ]


def test_a_day_that_was_written_before_the_kill_is_not_written_again(tmp_path: Path) -> None:
    both = _rows("s1", "2026-03-01T10:00:00", "2026-03-02T10:00:00")
    _store(tmp_path).add(both.slice(0, 1))  # as if the other day was never reached
    assert _store(tmp_path).add(both) == 1
    assert _ids(tmp_path) == ["s1-0", "s1-1"]


def test_files_of_an_earlier_release_are_read_and_added_to(tmp_path: Path) -> None:
    earlier = [n for n in PREDICTION_SCHEMA.names if n not in ("rollout", "step", "arm")]
    for day in (1, 3):
        folder = tmp_path / f"date=2026-03-0{day}"
        folder.mkdir()
        rows = _rows(f"old{day}", f"2026-03-0{day}T10:00:00").select(earlier)
        pq.write_table(rows, folder / "0001.parquet")
    store = _store(tmp_path)
    for day in (1, 2):
        rows = _rows(f"new{day}", f"2026-03-0{day}T11:00:00")
        at = rows.schema.get_field_index("arm")
        store.add(rows.set_column(at, "arm", pa.array(["candidate"])))
    found = duckdb.execute(f"select segment, arm from {store.relation()} order by time").fetchall()
    assert found == [
        ("old1", None),
        ("new1", "candidate"),
        ("new2", "candidate"),
        ("old3", None),
    ]


def test_several_segments_of_a_day_share_a_file_until_it_is_full(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = _store(tmp_path)
    for i in range(3):
        store.add(_rows(f"s{i}", "2026-03-01T10:00:00"))
    assert [p.name for p in tmp_path.rglob("*.parquet")] == ["0001.parquet"]
    monkeypatch.setattr(recorded, "FULL", 1)
    store.add(_rows("s3", "2026-03-01T10:00:00"))
    assert sorted(p.name for p in tmp_path.rglob("*.parquet")) == ["0001.parquet", "0002.parquet"]
    assert _ids(tmp_path) == ["s0-0", "s1-0", "s2-0", "s3-0"]


_KILLED = """
import os, sys
from pathlib import Path
from test_recorded import _rows, _store
import mlops_cli.monitoring.collected.recorded as recorded
steps = iter(range(10**6))
def die(*_):
    if next(steps) == int(sys.argv[2]): os.kill(os.getpid(), 9)
sys.setprofile(die)
_store(Path(sys.argv[1])).add(_rows("s1", "2026-03-01T10:00:00", "2026-03-02T10:00:00"))
sys.setprofile(None)
print(next(steps))
"""


@pytest.mark.slow
def test_killed_at_any_moment_nothing_is_there_twice_and_the_rest_comes(tmp_path: Path) -> None:
    def run(folder: Path, step: int) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-c", _KILLED, folder, str(step)],
            cwd=Path(__file__).parent,
            capture_output=True,
            text=True,
            check=False,
        )

    steps = int(run(tmp_path / "whole", -1).stdout)
    killed = 0
    for step in range(0, steps, steps // 25):
        folder = tmp_path / str(step)
        killed += run(folder, step).returncode == -9
        store = _store(folder)
        store.add(_rows("s0", "2026-03-01T09:00:00"))
        store.add(_rows("s1", "2026-03-01T10:00:00", "2026-03-02T10:00:00"))
        assert _ids(folder) == ["s0-0", "s1-0", "s1-1"]
        assert {p.suffix for p in folder.rglob("*") if p.is_file()} == {".parquet"}
    assert killed >= 20


def test_what_is_older_than_kept_goes_by_the_newest_row_and_not_by_the_clock(
    tmp_path: Path,
) -> None:
    one, other = _store(tmp_path / "one"), _store(tmp_path / "other")
    for day in ("2019-01-01", "2019-01-09", "2019-01-10"):
        one.add(_rows(day, f"{day}T12:00:00"))
        other.add(_rows(day, f"{day}T12:00:00"))
    other.add(_rows("late", "2019-03-01T12:00:00"))
    assert keep_last([one, other], timedelta(days=400)) == []
    assert keep_last([one, other], timedelta(days=2)) == [date(2019, 1, 1)]
    assert one.days() == [date(2019, 1, 9), date(2019, 1, 10)]
    assert keep_last([_store(tmp_path / "none"), other], timedelta(days=1)) == []


def test_a_row_of_a_clock_that_is_ahead_takes_no_day_with_it(tmp_path: Path) -> None:
    one, other = _store(tmp_path / "one"), _store(tmp_path / "other")
    for day in ("2019-01-01", "2019-01-09", "2019-01-10"):
        one.add(_rows(day, f"{day}T12:00:00"))
    other.add(_rows("label", "2019-01-09T12:00:00"))
    one.add(_rows("years ahead", "2190-01-01T00:00:00"))
    assert keep_last([one, other], timedelta(days=400)) == []
    assert keep_last([one, other], timedelta(days=2)) == [date(2019, 1, 1)]
    # The clock of this machine may have been ahead, too, or nobody asked for a long time.
    one.add(_rows("alone", "2021-01-01T12:00:00"))
    assert keep_last([one, other], timedelta(days=400)) == []
    one.add(_rows("again", "2021-01-02T12:00:00"))
    gone = [date(2019, 1, 9), date(2019, 1, 10)]
    assert keep_last([one, other], timedelta(days=400)) == gone
    assert one.days() == [date(2021, 1, 1), date(2021, 1, 2), date(2190, 1, 1)]
    assert other.days() == []


def test_batches_are_bounded_and_hold_every_file() -> None:
    sizes = {Path(str(i)): size for i, size in enumerate([5, 5, 1, 20, 1])}
    batches = [[str(p) for p in batch] for batch in in_batches(sizes, 10)]
    assert batches == [["0", "1"], ["2"], ["3"], ["4"]]
