"""Predictions with their labels: late, twice, corrected; the last by time counts."""

from __future__ import annotations

import json
from datetime import datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from mlops_cli.monitoring.collected.labelled import labelled, reached
from mlops_cli.monitoring.collected.recorded import LABEL_SCHEMA, PREDICTION_SCHEMA, Recorded
from mlops_cli.tables import open_engine


def _store(folder: Path, schema: pa.Schema, rows: list[dict[str, Any]]) -> Recorded:
    """A store with these rows, of segments of one row each."""
    store = Recorded(folder, schema)
    for i, row in enumerate(rows):
        filled = {"segment": f"s{i}", "time": "2026-03-01T10:00:00", **row}
        for name in ("time", "received"):
            if name in filled:
                filled[name] = datetime.fromisoformat(filled[name])
        store.add(pa.Table.from_pylist([filled], schema))
    return store


def _asked(request_id: str, row: int, flight: int) -> dict[str, Any]:
    return {"request_id": request_id, "row": row, "id": json.dumps({"flight": flight})}


def _label(label: str, time: str, received: str | None = None, **of: Any) -> dict[str, Any]:
    times = {"time": f"2026-03-{time}", "received": f"2026-03-{received or time}"}
    return {"label": label, **times, **of}


def test_of_the_labels_that_go_to_a_row_the_last_by_time_counts(tmp_path: Path) -> None:
    asked = [_asked("a", 0, 1), _asked("a", 1, 2), _asked("b", 0, 3), _asked("b", 0, 4),
        _asked("c", 0, 5), _asked("d", 0, 6)]  # fmt: skip
    predictions = _store(tmp_path / "p", PREDICTION_SCHEMA, asked)
    told = [
        _label("corrected", "05", request_id="a", row=0),
        _label("first", "02", "09", request_id="a", row=0),  # came later, of an earlier time
        _label("all", "03", request_id="a"),
        _label("both", "03", request_id="b"),
        _label("sent twice", "04", "05", request_id="c", row=0),
        _label("and again", "04", "06", request_id="c", row=0),
        _label("by flight", "07", id=json.dumps({"flight": "4"})),
        _label("of no row", "07", request_id="d", row=7),
    ]
    labels = _store(tmp_path / "l", LABEL_SCHEMA, told)
    with open_engine(temporary=tmp_path) as engine:
        for ids, of_4 in (((), ("both", 3)), (("flight",), ("by flight", 7))):
            sql = f"select id, label, day(label_time) from {labelled(predictions, labels, ids=ids)}"
            found = engine.rows(f"{sql} order by id")
            assert [(json.loads(i)["flight"], *rest) for i, *rest in found] == [
                (1, "corrected", 5),
                (2, "all", 3),
                (3, "both", 3),
                (4, *of_4),
                (5, "and again", 4),
                (6, None, None),
            ]


def test_before_any_label_has_come_none_is_there(tmp_path: Path) -> None:
    predictions = _store(tmp_path / "p", PREDICTION_SCHEMA, [_asked("a", 0, 1)])
    with open_engine(temporary=tmp_path) as engine:
        sql = f"select label, label_time from {labelled(predictions, None)}"
        assert engine.rows(sql) == [(None, None)]


@pytest.mark.parametrize(
    ("label", "ids", "goes"),
    [
        ({"request_id": "a"}, ("flight",), True),
        ({"request_id": "z"}, ("flight",), False),
        ({"id": json.dumps({"flight": "2"})}, ("flight",), True),
        ({"id": json.dumps({"flight": "9"})}, ("flight",), False),
        ({"id": json.dumps({"flight": "2"})}, (), False),
    ],
)
def test_whether_new_labels_go_to_any_row_is_told_by_request_or_id(
    tmp_path: Path, label: dict[str, Any], ids: tuple[str, ...], goes: bool
) -> None:
    predictions = _store(tmp_path / "p", PREDICTION_SCHEMA, [_asked("a", 0, 1), _asked("b", 0, 2)])
    labels = _store(tmp_path / "l", LABEL_SCHEMA, [_label("x", "03", **label)])
    with open_engine(temporary=tmp_path) as engine:
        assert reached(engine, predictions, labels, ids=ids) is goes
