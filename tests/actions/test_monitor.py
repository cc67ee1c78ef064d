"""`mlops monitor`: windows of the collected log, judged once, and again when more has come."""

from __future__ import annotations

import json
import shutil
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

import bundles
from command_line import Mlops
from mlops_cli import monitor
from mlops_cli.errors import UsageError
from mlops_cli.monitoring.windows.window_log import read_windows
from traffic import FIRST, Watched, quiet

N = 200


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("models")
    tasks = ("binary", "multiclass", "regression")
    return {task: bundles.write(folder / task, task).path for task in tasks}


@pytest.fixture
def watched(tmp_path: Path, models: dict[str, Path]) -> Watched:
    return Watched(tmp_path / "p", models["binary"], "binary")


def _hotter(line: dict[str, Any]) -> dict[str, Any]:
    temp = line["inputs"]["temp"]
    return line | {"inputs": line["inputs"] | {"temp": None if temp is None else temp + 25}}


def test_a_window_is_judged_once_and_again_when_rows_or_labels_came(watched: Watched) -> None:
    for day in range(2):
        lines = watched.answer(day, quiet(N, day))
    first = monitor(watched.project)
    assert [w.rows for w in first.windows] == [N, N]
    assert not first.drifted
    assert (first.judged, first.standing) == (2, 0)
    again = monitor(watched.project)
    assert (again.judged, again.standing) == (0, 2)
    assert again.windows == first.windows[-1:]
    watched.label(lines, lambda i, line: line["prediction"]["label"] ^ (i % 10 == 0))
    labelled = monitor(watched.project)
    assert (labelled.judged, labelled.standing) == (1, 1)
    assert labelled.windows[0].performance is not None
    assert labelled.windows[0].performance["accuracy"] == pytest.approx(0.9)
    watched.answer(0, quiet(10, 9))
    late = monitor(watched.project)
    assert [w.rows for w in late.windows] == [N + 10]
    assert (late.judged, late.standing) == (1, 1)
    assert [w.rows for w in read_windows(watched.root)] == [N + 10, N]


def test_what_moved_is_named_with_exit_5(watched: Watched, mlops: Mlops) -> None:
    watched.answer(0, quiet(N, 0))
    watched.answer(1, quiet(N, 1), _hotter)
    done = mlops(watched.root, "monitor", "--json", code=5)
    quiet_day, hot = done.result["windows"]
    assert not quiet_day["drift"]["drifted"]
    assert [c["name"] for c in hot["drift"]["columns"] if c["drifted"]] == ["temp"]
    assert "temp" in mlops(watched.root, "monitor", code=5).out
    page = (watched.root / done.result["page"]).read_text(encoding="utf-8")
    assert "temp drifted in 1 of 2 windows" in page


def test_a_season_that_training_does_not_stand_for_is_told_with_what_helps(
    watched: Watched,
) -> None:
    for day in range(4):
        watched.answer(day, quiet(N, day), _hotter)
    assert not [r for r in monitor(watched.project).remarks if "season" in r]
    watched.answer(4, quiet(N, 4), _hotter)
    (said,) = (r for r in monitor(watched.project).remarks if "season" in r)
    assert said.startswith("each of the last 5 windows drifted from training")
    assert "monitor.baseline: same_weekday" in said
    watched.answer(5, quiet(N, 5))
    assert not [r for r in monitor(watched.project).remarks if "season" in r]


def test_broken_data_is_no_drift(watched: Watched) -> None:
    def emptied(line: dict[str, Any]) -> dict[str, Any]:
        return line | {"inputs": line["inputs"] | {"temp": None, "carrier": None}}

    watched.answer(0, quiet(N, 0), emptied)
    (window,) = monitor(watched.project).windows
    assert window.broken
    assert not window.drifted
    assert window.quality is not None
    assert {q.name for q in window.quality.columns} >= {"temp", "carrier"}
    assert any("temp is missing" in fault for fault in window.quality.faults)


def test_an_alert_of_missing_values_names_their_columns_and_not_what_drifted(
    tmp_path: Path, models: dict[str, Path]
) -> None:
    def lost(line: dict[str, Any]) -> dict[str, Any]:
        far = line["inputs"] | {"carrier": None, "distance": 9000}
        return _hotter(line) | {"inputs": far}

    section = '{alerts: [{when: "null_rate > 5%"}], sinks: []}'
    watched = Watched(tmp_path / "p", models["binary"], "binary", section)
    watched.answer(0, quiet(N, 0), lost)
    (told,) = monitor(watched.project).alerts.fired
    assert told.columns == ("carrier",)


def test_an_alert_on_performance_names_no_column_where_none_drifted(
    tmp_path: Path, models: dict[str, Path]
) -> None:
    section = '{alerts: [{when: "accuracy < 90%"}], sinks: []}'
    watched = Watched(tmp_path / "p", models["binary"], "binary", section)
    far, *others = quiet(N, 0)
    lines = watched.answer(0, [far | {"distance": 9000}, *others])  # one of 200 is out of range
    watched.label(lines, lambda i, line: not line["prediction"]["label"])
    (told,) = monitor(watched.project).alerts.fired
    assert (told.metric, told.columns) == ("accuracy", ())


def test_text_where_a_number_belongs_is_a_fault_of_the_data(watched: Watched) -> None:
    def wordy(line: dict[str, Any]) -> dict[str, Any]:
        return line | {"inputs": line["inputs"] | {"distance": "far"}}

    watched.answer(0, quiet(N, 0), wordy)
    (window,) = monitor(watched.project).windows
    assert window.broken
    assert not window.drifted


def test_silence_between_days_is_a_window_without_rows(watched: Watched) -> None:
    for day in (0, 1, 2, 4):
        watched.answer(day, quiet(N, day))
    windows = monitor(watched.project).windows
    assert [w.rows for w in windows] == [N, N, N, 0, N]
    assert windows[3].volume is not None
    assert windows[3].volume.expected == N


def test_a_clock_set_back_by_months_makes_no_endless_silence(
    tmp_path: Path, models: dict[str, Path]
) -> None:
    watched = Watched(tmp_path / "p", models["binary"], "binary", "{window: 1h}")
    watched.answer(-200, quiet(1, 0))
    watched.answer(0, quiet(1, 1))
    found = monitor(watched.project)
    asked = [w.start for w in found.windows if w.rows]
    assert asked == [FIRST - timedelta(days=200), FIRST]
    assert len(found.windows) == 1 + 23 + 1000 + 1  # that day has rows, and then comes the silence
    (told,) = (remark for remark in found.remarks if "left out" in remark)
    assert told.startswith(f"until {FIRST:%Y-%m-%d} 00:00 nothing was asked")
    again = monitor(watched.project)
    assert (again.judged, again.standing) == (0, 1025)
    assert not any("left out" in remark for remark in again.remarks)


def test_speed_and_failures_are_those_of_requests(watched: Watched) -> None:
    def failing(line: dict[str, Any]) -> dict[str, Any]:
        number = int(line["request_id"][1:])
        slow = line | {"ms": float(number)}
        return slow | {"prediction": None, "error": "ValueError"} if number % 4 == 0 else slow

    watched.answer(0, quiet(100, 0), failing)
    (window,) = monitor(watched.project).windows
    assert window.errors == 0.25
    assert window.latency == pytest.approx({"p50": 50.5, "p95": 95.05, "p99": 99.01, "mean": 50.5})


@pytest.mark.parametrize("task", ["multiclass", "regression"])
def test_performance_of_other_tasks(task: Any, tmp_path: Path, models: dict[str, Path]) -> None:
    watched = Watched(tmp_path / "p", models[task], task)
    lines = watched.answer(0, quiet(N, 0))
    key = "value" if task == "regression" else "label"
    watched.label(lines, lambda i, line: line["prediction"][key])
    (window,) = monitor(watched.project).windows
    assert window.performance is not None
    name, perfect = ("mae", 0.0) if task == "regression" else ("accuracy", 1.0)
    assert window.performance[name] == pytest.approx(perfect)
    assert window.labels is not None
    assert window.labels.labelled == N


def test_labels_of_positives_alone_are_called_biased(watched: Watched) -> None:
    lines = watched.answer(0, quiet(N, 0))
    watched.label(lines, lambda i, line: True if line["prediction"]["label"] else None)
    (window,) = monitor(watched.project).windows
    assert window.labels is not None
    assert window.labels.biased is not None
    assert "stand for the others" in window.labels.biased


def test_of_two_versions_the_one_that_answered_most_is_judged(watched: Watched) -> None:
    watched.answer(0, quiet(N, 0))
    watched.answer(0, quiet(60, 1), lambda line: _hotter(line) | {"version": "f" * 12})
    (window,) = monitor(watched.project).windows
    assert not window.drifted
    assert window.version == watched.version
    assert {a.version: a.rows for a in window.versions} == {watched.version: N, "f" * 12: 60}
    assert any("2 versions answered" in remark for remark in window.remarks)


def test_a_shadow_s_rows_are_none_of_the_service(watched: Watched) -> None:
    watched.answer(0, quiet(N, 0))
    watched.answer(0, quiet(N, 1), lambda line: _hotter(line) | {"variant": "shadow", "ms": 9e9})
    (window,) = monitor(watched.project).windows
    assert window.rows == N
    assert not window.drifted
    assert window.latency is not None
    assert window.latency["p99"] == 2.0


def test_windows_of_an_hour_lie_on_the_grid(tmp_path: Path, models: dict[str, Path]) -> None:
    watched = Watched(tmp_path / "p", models["binary"], "binary", "{window: 1h}")
    watched.answer(0, quiet(N, 0), every=timedelta(minutes=1))
    windows = monitor(watched.project, until="2026-03-02T03:30:00Z").windows
    assert [(w.start.hour, w.rows) for w in windows] == [(0, 60), (1, 60), (2, 60)]
    since = monitor(watched.project, since="2026-03-02T02:10", until="2026-03-03")
    assert [(w.start.hour, w.rows) for w in since.windows] == [(3, 20)]


def test_windows_of_a_former_length_count_no_more(tmp_path: Path, models: dict[str, Path]) -> None:
    watched = Watched(tmp_path / "p", models["binary"], "binary", "{window: 1d}")
    watched.answer(3, quiet(N, 0))  # 5 March 2026 is a Thursday, and so was 1 January 1970
    monitor(watched.project)
    file = watched.root / "mlops.yaml"
    file.write_text(file.read_text().replace("window: 1d", "window: 7d"))
    (week,) = monitor(watched.project).windows
    assert (week.end - week.start).days == 7
    assert read_windows(watched.root) == [week]


def _colder_on_sundays(watched: Watched, days: int) -> None:
    def cold(line: dict[str, Any]) -> dict[str, Any]:
        temp = line["inputs"]["temp"]
        return line | {"inputs": line["inputs"] | {"temp": None if temp is None else temp - 25}}

    for day in range(days):
        watched.answer(day, quiet(N, day), cold if day % 7 == 6 else lambda line: line)


@pytest.mark.parametrize(
    ("baseline", "drifting"), [("training", {6, 13, 20}), ("same_weekday", {6, 13})]
)
def test_a_sunday_is_like_the_sundays_before(
    baseline: str, drifting: set[int], tmp_path: Path, models: dict[str, Path]
) -> None:
    watched = Watched(tmp_path / "p", models["binary"], "binary", f"{{baseline: {baseline}}}")
    _colder_on_sundays(watched, 22)
    windows = monitor(watched.project).windows
    named = [{c.name for c in w.drift.columns if c.drifted} for w in windows if w.drift]
    assert {i for i, names in enumerate(named) if "temp" in names} == drifting
    assert windows[21].drift is not None
    assert windows[21].drift.reference == baseline.replace("_", " ")
    assert any("no same weekday" in r for r in windows[13].remarks) == (baseline != "training")


def test_the_window_before_may_be_what_counts(tmp_path: Path, models: dict[str, Path]) -> None:
    watched = Watched(tmp_path / "p", models["binary"], "binary", "{baseline: last_window}")
    for day in range(4):
        watched.answer(day, quiet(N, day), _hotter if day >= 2 else lambda line: line)
    windows = monitor(watched.project).windows
    named = [{c.name for c in w.drift.columns if c.drifted} for w in windows if w.drift]
    assert ["temp" in names for names in named] == [False, False, True, False]
    assert [w.prediction_drift is not None for w in windows] == [False, True, True, True]


def test_a_window_before_whose_rows_are_gone_is_none(
    tmp_path: Path, models: dict[str, Path]
) -> None:
    watched = Watched(tmp_path / "p", models["binary"], "binary", "{baseline: last_window}")
    watched.answer(0, quiet(N, 0))
    monitor(watched.project)
    shutil.rmtree(watched.root / "monitoring/predictions")  # kept no longer, or another clone
    watched.answer(1, quiet(N, 1))
    (window,) = monitor(watched.project).windows
    assert window.drift is not None
    assert window.drift.reference == "training"
    assert any("no last window" in remark for remark in window.remarks)


def test_what_is_kept_no_longer_is_no_silence(watched: Watched) -> None:
    for day in range(3):
        watched.answer(day, quiet(N, day))
    before = {w.start: w for w in monitor(watched.project).windows}
    assert len(before) == 3
    for gone in FIRST, FIRST + timedelta(days=1):
        shutil.rmtree(watched.root / f"monitoring/predictions/date={gone:%Y-%m-%d}")
    assert monitor(watched.project, since=f"{FIRST - timedelta(days=9):%Y-%m-%d}").judged == 0
    assert {w.start: w for w in read_windows(watched.root)} == before


def test_a_gap_in_what_is_kept_is_no_silence(watched: Watched) -> None:
    for day in range(3):
        watched.answer(day, quiet(N, day))
    before = {w.start: w for w in monitor(watched.project).windows}
    middle = FIRST + timedelta(days=1)
    shutil.rmtree(watched.root / f"monitoring/predictions/date={middle:%Y-%m-%d}")
    assert monitor(watched.project).judged == 0
    assert {w.start: w for w in read_windows(watched.root)} == before


def test_a_segment_that_is_no_input_is_refused(tmp_path: Path, models: dict[str, Path]) -> None:
    watched = Watched(tmp_path / "p", models["binary"], "binary", "{segments: [orign]}")
    watched.answer(0, quiet(N, 0))
    with pytest.raises(UsageError, match="'orign', which is no input") as e:
        monitor(watched.project)
    assert e.value.hint == "did you mean 'origin'?"


def test_an_empty_log_is_no_fault(watched: Watched, mlops: Mlops) -> None:
    result = monitor(watched.project)
    assert (result.windows, result.judged) == ((), 0)
    assert "no whole window" in mlops(watched.root, "monitor", code=0).out


@pytest.mark.parametrize("times", [("yesterday", None), ("2026-03-05", "2026-03-04")])
def test_a_time_that_is_none_is_refused(watched: Watched, times: tuple[str, str | None]) -> None:
    with pytest.raises(UsageError, match="--since"):
        monitor(watched.project, since=times[0], until=times[1])


def test_a_torn_line_is_none_and_no_line_joins_it(watched: Watched) -> None:
    watched.answer(0, quiet(N, 0))
    monitor(watched.project)
    file = watched.root / "monitoring/windows.jsonl"
    file.write_bytes(file.read_bytes() + b'{"start": "2026-03-')
    watched.answer(1, quiet(N, 1))
    assert monitor(watched.project).judged == 1
    assert [w.rows for w in read_windows(watched.root)] == [N, N]
    assert json.loads(file.read_text().splitlines()[-1])["rows"] == N
