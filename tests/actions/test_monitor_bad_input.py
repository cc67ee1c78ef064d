"""`mlops monitor` where a clock jumped, the disk is full, or a segment has a value a row."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

import bundles
from command_line import Done, in_little_room
from mlops_cli import monitor
from mlops_cli.monitoring.judging.references import frequent
from mlops_cli.monitoring.judging.watch import MOST
from mlops_cli.monitoring.windows.window_log import read_windows
from traffic import Watched, quiet

N = 200


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return bundles.write(tmp_path_factory.mktemp("models") / "binary", "binary").path


@pytest.fixture
def watched(tmp_path: Path, model: Path) -> Watched:
    return Watched(tmp_path / "p", model, "binary")


def test_rows_of_a_clock_that_was_set_back_to_1970_make_no_windows(watched: Watched) -> None:
    def at_boot(line: dict[str, Any]) -> dict[str, Any]:
        return line | {"time": "1970-01-01T00:00:03Z"}

    watched.answer(0, quiet(N, 0))
    watched.answer(0, quiet(5, 1), at_boot)  # dropped: it lies before `monitor.keep`
    watched.answer(1, quiet(N, 2))
    assert [w.rows for w in monitor(watched.project).windows] == [N, N]


def test_a_clock_that_jumps_within_a_day_leaves_every_row_in_its_window(watched: Watched) -> None:
    def back(line: dict[str, Any]) -> dict[str, Any]:
        hour = int(line["time"][11:13])
        return line | {"time": f"{line['time'][:11]}{(hour + 17) % 24:02d}{line['time'][13:]}"}

    watched.answer(0, quiet(N, 0), back)
    (window,) = monitor(watched.project).windows
    assert window.rows == N
    assert not window.drifted


def test_a_disk_that_is_full_for_the_windows_loses_none(watched: Watched) -> None:
    for day in range(2):
        lines = watched.answer(day, quiet(N, day))
    done = _with_a_full_disk(watched)
    assert done.code == 8
    assert "monitoring/windows.jsonl" in done.err
    assert read_windows(watched.root) == []  # the torn line is none
    found = monitor(watched.project)
    assert (found.judged, found.standing) == (2, 0)
    assert [w.rows for w in read_windows(watched.root)] == [N, N]
    assert (monitor(watched.project).judged, len(read_windows(watched.root))) == (0, 2)
    watched.label(lines, lambda i, line: line["prediction"]["label"])
    assert _with_a_full_disk(watched).code == 8
    (labelled,) = monitor(watched.project).windows  # the labels wait, too
    assert labelled.performance is not None


def _with_a_full_disk(watched: Watched) -> Done:
    less_than_a_window = 1_000
    return in_little_room(watched.root, "monitor", most=less_than_a_window)


def test_of_a_segment_with_a_value_a_row_twenty_are_judged_and_the_rest_is_told(
    tmp_path: Path, model: Path
) -> None:
    def alone(line: dict[str, Any]) -> dict[str, Any]:
        return line | {"inputs": line["inputs"] | {"carrier": line["request_id"]}}

    watched = Watched(tmp_path / "p", model, "binary", "{segments: [carrier]}")
    watched.answer(0, quiet(N, 0), alone)
    (window,) = monitor(watched.project).windows
    assert len(window.segments) == MOST
    assert any(f"carrier has {N - MOST} more values" in said for said in window.remarks)


def test_a_million_values_of_a_segment_are_counted_in_bounded_time() -> None:
    values = pa.chunked_array([pa.array([f"user {i}" for i in range(1_000_000)] + ["user 7"])])
    began = time.process_time()
    named, others = frequent(values, MOST)
    assert (named[0], len(named), others) == ("user 7", MOST, 1_000_000 - MOST)
    assert time.process_time() - began < 10
