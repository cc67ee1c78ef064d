"""Segments as tables: what a line must hold, and what becomes of one that does not."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from mlops_cli.errors import DataError
from mlops_cli.monitoring.collected.segment_files import read_segment

LEAST: dict[str, Any] = {
    "time": "2026-03-01T10:00:00Z",
    "request_id": "r1",
    "row": 0,
    "model": "rain",
    "version": "0" * 12,
    "inputs": {"a": 1.5, "b": "x:\u00e9"},
    "prediction": {"probability": 0.25},
    "ms": 0.5,
}


def _file(folder: Path, *lines: Any, end: str = "\n", name: str = "theirs.ndjson") -> Path:
    file = folder / name
    texts = [x if isinstance(x, str) else json.dumps(x) for x in lines]
    file.write_text("\n".join(texts) + end)
    return file


def test_what_may_be_missing_has_its_documented_value(tmp_path: Path) -> None:
    (row,) = read_segment(_file(tmp_path, LEAST), strict=True).rows.to_pylist()
    assert json.loads(row.pop("inputs")) == LEAST["inputs"]
    assert json.loads(row.pop("prediction")) == LEAST["prediction"]
    assert row == {
        **{k: v for k, v in LEAST.items() if k not in ("inputs", "prediction")},
        "time": datetime(2026, 3, 1, 10),
        "id": "{}",
        "variant": "champion",
        "key": None,
        "features": None,
        "error": None,
        "rollout": None,
        "step": None,
        "arm": None,
        "segment": "theirs",
    }


def test_a_failed_request_has_no_prediction_and_further_fields_are_ignored(tmp_path: Path) -> None:
    line = LEAST | {"prediction": None, "error": "ValueError", "colour": "red", "id": {"c": "1"}}
    (row,) = read_segment(_file(tmp_path, line), strict=True).rows.to_pylist()
    assert (row["prediction"], row["error"], json.loads(row["id"])) == (
        None,
        "ValueError",
        {"c": "1"},
    )


def test_an_offset_is_taken_off(tmp_path: Path) -> None:
    line = LEAST | {"time": "2026-03-01T01:00:00+02:00"}
    (row,) = read_segment(_file(tmp_path, line), strict=True).rows.to_pylist()
    assert row["time"] == datetime(2026, 2, 28, 23)


def test_a_torn_last_line_is_none_and_one_that_only_lacks_its_end_is_one(tmp_path: Path) -> None:
    torn = json.dumps(LEAST)[:70]
    for strict in (False, True):
        found = read_segment(_file(tmp_path, LEAST, torn, end=""), strict=strict)
        assert (found.rows.num_rows, found.unreadable) == (1, 0)
        assert read_segment(_file(tmp_path, LEAST, LEAST, end=""), strict=strict).rows.num_rows == 2


@pytest.mark.parametrize(
    ("line", "says"),
    [
        ("no json", "line 2: "),
        ("[1]", "Expected `object`"),
        ({k: v for k, v in LEAST.items() if k != "ms"}, "missing required field `ms`"),
        (LEAST | {"time": "2026-03-01T10:00:00"}, "timezone"),
        (LEAST | {"row": -1}, ">= 0"),
        (LEAST | {"time": (datetime.now(UTC) + timedelta(days=2)).isoformat()}, "is to come"),
    ],
)
def test_a_line_that_is_none_is_named_or_counted(tmp_path: Path, line: Any, says: str) -> None:
    file = _file(tmp_path, LEAST, line, LEAST)
    found = read_segment(file)
    assert (found.rows.num_rows, found.unreadable) == (2, 1)
    with pytest.raises(DataError) as refused:
        read_segment(file, strict=True)
    assert f"{file}, line 2: " in refused.value.message
    assert says in refused.value.message


def test_an_empty_file_is_a_segment_of_no_rows(tmp_path: Path) -> None:
    assert read_segment(_file(tmp_path, end=""), strict=True).rows.num_rows == 0
