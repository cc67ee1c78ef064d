"""`mlops monitor` where no column moves by itself, and how they go together does."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from scipy.special import ndtri

import bundles
from command_line import Mlops
from mlops_cli import monitor
from mlops_cli._files import digest_of_files
from mlops_cli._json import canonical_json
from mlops_cli.bundle.profile import Profile, Span
from mlops_cli.monitoring.windows.records import Window
from traffic import Event, Line, Watched, quiet

N = 400
DAYS = 8


def _paired(events: Sequence[Event]) -> list[Event]:
    """Such events where far ones are warm: each column's values are drawn as before."""
    return [event | {"temp": _warm(event)} for event in events]


def _warm(event: Event) -> float | None:
    if event["temp"] is None:
        return None
    own = (event["temp"] - 12) / 9
    far = float(ndtri((event["distance"] - 49.5) / 2_950))
    return round(12 + 9 * (0.8 * far + 0.6 * own), 2)


def _features(root: Path, events: Sequence[Event], **more: Any) -> None:
    """The table that featurize would have made of the events, with `more` columns."""
    days = [date.fromisoformat(event["day"]) for event in events]
    columns: dict[str, Any] = {
        name: [event[name] for event in events]
        for name in ("carrier", "origin", "distance", "temp", "wet")
    }
    columns |= {
        "day": days,
        "at": days,
        "weekday": [day.isoweekday() % 7 for day in days],
        "hour": [int(event["at"][11:13]) for event in events],
        "__row__": np.arange(len(events)),
    }
    (root / "data").mkdir()
    pq.write_table(pa.table(columns | more), root / "data/features.parquet")


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return bundles.write(tmp_path_factory.mktemp("models") / "binary", "binary").path


@pytest.fixture
def watched(tmp_path: Path, model: Path) -> Watched:
    made = Watched(tmp_path / "p", model, "binary", "{alerts: [{when: drift}]}")
    _features(made.root, _paired(quiet(4_000, 77)))
    return made


def _with_profile(path: Path, **changed: Any) -> Path:
    """A model whose profile is another one in these fields."""
    bundles.write(path, "binary")
    file = path / "profile.json"
    profile = msgspec.json.decode(file.read_bytes(), type=Profile)
    file.write_bytes(canonical_json(msgspec.structs.replace(profile, **changed)))
    bundles.seal(file)
    return path


def _together(window: Window) -> bool:
    assert window.drift is not None
    assert window.drift.joint is not None
    return window.drift.joint.drifted


def test_columns_that_part_are_named_though_none_of_them_moved(
    watched: Watched, mlops: Mlops
) -> None:
    watched.answer(0, _paired(quiet(N, 0)))
    watched.answer(1, quiet(N, 1))
    done = mlops(watched.root, "monitor", "--json", code=5)
    usual, moved = (w["drift"] for w in done.result["windows"])
    assert not usual["drifted"]
    assert usual["joint"]["columns"] == []
    assert moved["drifted"]
    assert not any(c["drifted"] for c in moved["columns"])
    assert {c["name"] for c in moved["joint"]["columns"][:2]} == {"temp", "distance"}
    (fired,) = done.result["alerts"]["fired"]
    assert {"temp", "distance"} <= set(fired["columns"])
    page = (watched.root / "reports/monitor.html").read_text(encoding="utf-8")
    assert "go together" in page


def test_the_terminal_tells_it_in_words(watched: Watched, mlops: Mlops) -> None:
    watched.answer(0, quiet(N, 1))
    out = mlops(watched.root, "monitor", code=5).out
    assert "drift in how " in out
    assert "temp" in out


def test_quiet_days_stay_quiet(watched: Watched) -> None:
    for day in range(DAYS):
        watched.answer(day, _paired(quiet(N, day)))
    windows = monitor(watched.project).windows
    assert [_together(w) for w in windows] == [False] * DAYS
    assert not any(w.drifted for w in windows)


def test_a_column_that_moved_alone_is_what_is_named(watched: Watched, mlops: Mlops) -> None:
    def hot(line: Line) -> Line:
        temp = line["inputs"]["temp"]
        return line | {"inputs": line["inputs"] | {"temp": None if temp is None else temp + 25}}

    watched.answer(0, _paired(quiet(N, 0)), hot)
    out = mlops(watched.root, "monitor", code=5).out
    assert "drift in temp" in out
    assert "go together" not in out


def test_without_the_features_a_remark_says_what_was_left_out(tmp_path: Path, model: Path) -> None:
    watched = Watched(tmp_path / "p", model, "binary")
    watched.answer(0, quiet(N, 0))
    (window,) = monitor(watched.project).windows
    assert window.drift is not None
    assert window.drift.joint is None
    assert any("data/features.parquet" in r and "together" in r for r in window.remarks)


def test_the_columns_give_of_their_budget_where_rows_are_judged_together(
    watched: Watched, tmp_path: Path, model: Path
) -> None:
    alone = Watched(tmp_path / "alone", model, "binary")
    thresholds = []
    for one in (watched, alone):
        one.answer(0, _paired(quiet(N, 0)))
        (window,) = monitor(one.project).windows
        assert window.drift is not None
        thresholds.append({c.name: c.threshold for c in window.drift.columns})
    assert all(thresholds[0][name] > thresholds[1][name] for name in ("temp", "distance", "day"))


def test_windows_before_are_held_to_together(tmp_path: Path, model: Path) -> None:
    watched = Watched(tmp_path / "p", model, "binary", "{baseline: last_window}")
    for day in range(3):
        events = quiet(N, day)
        watched.answer(day, events if day == 2 else _paired(events))
    windows = monitor(watched.project).windows
    assert [_together(w) for w in windows[1:]] == [False, True]
    assert windows[2].drift is not None
    assert set(windows[2].drift.named) >= {"temp", "distance"}


def test_rows_along_a_time_are_left_out_and_told_of(tmp_path: Path) -> None:
    spans = (Span(86_400, (0.5, 0.6, 0.7, 0.8, 0.9, 1.0, 1.1, 1.2), {}),)
    watched = Watched(tmp_path / "p", _with_profile(tmp_path / "m", spans=spans), "binary")
    _features(watched.root, _paired(quiet(4_000, 77)))
    watched.answer(0, quiet(N, 0))
    (window,) = monitor(watched.project).windows
    assert window.drift is not None
    assert window.drift.joint is None
    assert any("rows go along a time" in remark for remark in window.remarks)


@pytest.mark.parametrize("apart", [False, True])
def test_one_row_of_each_subject_judges(tmp_path: Path, *, apart: bool) -> None:
    path = _with_profile(tmp_path / "m", subject=("customer",))
    watched = Watched(tmp_path / "p", path, "binary")
    subjects = np.arange(4_000) // 4
    _features(watched.root, _paired(quiet(4_000, 77)), __id__customer=subjects)
    events = quiet(2 * N, 0)

    def named(line: Line) -> Line:
        return line | {"id": {"customer": 10_000 + int(line["request_id"][1:]) // 2}}

    watched.answer(0, events if apart else _paired(events), named, every=timedelta(minutes=1))
    (window,) = monitor(watched.project).windows
    assert _together(window) is apart
    assert window.drift is not None
    assert window.drift.joint is not None
    assert window.drift.joint.rows < 1_000  # of some 1,400 subjects the half that judges


def test_a_table_of_features_of_another_version_is_no_reference(tmp_path: Path) -> None:
    model = bundles.write(tmp_path / "model", "binary").path
    watched = Watched(tmp_path / "p", model, "binary", "{alerts: [{when: drift}]}")
    _features(watched.root, _paired(quiet(4_000, 77)))
    plan = watched.root / "data/features.json"
    plan.write_text("{}")
    files = (watched.root / "data/features.parquet", plan)
    provenance = watched.root / "model/provenance.json"

    def remarks(digest: str) -> tuple[str, ...]:
        provenance.write_text(json.dumps({"data_digest": digest}))
        (watched.root / "monitoring/windows.jsonl").unlink(missing_ok=True)
        (window,) = monitor(watched.project).windows
        assert window.drift is not None
        assert (window.drift.joint is None) == bool(window.remarks)
        return window.remarks

    watched.answer(0, _paired(quiet(N, 0)))
    assert remarks(digest_of_files(files)) == ()
    (said,) = remarks("0" * 64)
    assert "data/features.parquet is not the data that" in said
    (watched.root / "governance").mkdir(exist_ok=True)
    (watched.root / "governance/erased.jsonl").write_text("")  # rows were taken out of it
    assert remarks("0" * 64) == ()
