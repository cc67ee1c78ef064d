"""Large segments by the engine: read as the strict reader reads them, or not at all."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from mlops_cli.monitoring.collected import segment_files
from mlops_cli.monitoring.collected.segment_files import read_segment
from mlops_cli.monitoring.collected.segment_lines import read_lines

LEAST: dict[str, Any] = {
    "time": "2026-03-01T10:00:00Z",
    "request_id": "r1",
    "row": 0,
    "model": "rain",
    "version": "0" * 12,
    "inputs": {"a": 1.5},
    "prediction": {"probability": 0.25},
    "ms": 0.5,
}
LATEST = datetime(2030, 1, 1, tzinfo=UTC)


def _file(folder: Path, *lines: Any, end: str = "\n") -> Path:
    file = folder / "theirs.ndjson"
    texts = [x if isinstance(x, str) else json.dumps(x, ensure_ascii=False) for x in lines]
    file.write_text("\n".join(texts) + end, encoding="utf-8")
    return file


def _inputs(text: str) -> str:
    return json.dumps(LEAST).replace('{"a": 1.5}', text)


READ = [
    LEAST,
    LEAST | {"id": {"c": "7"}, "variant": "shadow", "key": "ops", "features": "9b", "row": 3},
    LEAST | {"prediction": None, "error": "ValueError"},
    LEAST | {"id": None, "variant": None, "key": None, "colour": "red"},
    LEAST | {"time": "2026-03-01T01:00:00.123456+02:00"},
    LEAST | {"request_id": "é ✓", "ms": 3},
    LEAST | {"request_id": ""},
    LEAST | {"rollout": "5ea1", "step": 2, "arm": "candidate"},
    _inputs('{"i": 1, "f": 1.0, "t": "1", "b": true, "n": null, "e": "\\u00e9\\"x\\" a:nan"}'),
    _inputs('{"big": 123456789012345678901234567890, "e": 1e5, "h": 1e400, "d": 4.9e-324}'),
    _inputs('{"a": 0.1836647093296051, "b": 123456789.12345679, "a": 2, "l": [1, {"x": "y"}]}'),
    _inputs("5"),
]
NOT_SURE = [
    "{",
    "null",
    "[1]",
    json.dumps(LEAST) * 2,
    json.dumps(LEAST)[:70],
    _inputs('{"a": NaN}'),
    _inputs('{"a": [1, -inf]}'),
    _inputs("[" * 5000 + "]" * 5000),
    _inputs('{"a": "\\ud800"}'),
    _inputs("null"),
    LEAST | {"prediction": None},
    LEAST | {"time": "2026-03-01T10:00:00"},
    LEAST | {"time": "2026-03-01"},
    LEAST | {"time": 5},
    LEAST | {"time": (LATEST + timedelta(seconds=1)).isoformat()},
    LEAST | {"row": -1},
    LEAST | {"row": 1.5},
    LEAST | {"row": "1"},
    LEAST | {"row": 2**31},
    LEAST | {"request_id": 5},
    LEAST | {"request_id": 'a"b'},
    LEAST | {"model": {"a": 1}},
    LEAST | {"ms": "0.5"},
    LEAST | {"ms": None},
    *({k: v for k, v in LEAST.items() if k != name} for name in LEAST),
]


@pytest.mark.parametrize("line", READ, ids=range(len(READ)))
def test_a_line_is_read_as_the_strict_reader_reads_it(
    tmp_path: Path, line: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = _file(tmp_path, LEAST, line)
    assert read_lines(file, LATEST) is not None or 'nan"' in str(line)
    strict = read_segment(file, strict=True).rows
    monkeypatch.setattr(segment_files, "LARGE", 0)
    by_engine = read_segment(file, strict=True).rows
    assert by_engine.schema == strict.schema
    assert [_plain(r) for r in by_engine.to_pylist()] == [_plain(r) for r in strict.to_pylist()]


@pytest.mark.parametrize("line", NOT_SURE, ids=range(len(NOT_SURE)))
def test_what_is_no_line_or_may_be_none_is_left_to_the_strict_reader(
    tmp_path: Path, line: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = _file(tmp_path, LEAST, line)
    assert read_lines(file, LATEST) is None
    strict = read_segment(file)
    monkeypatch.setattr(segment_files, "LARGE", 0)
    by_engine = read_segment(file)
    assert (by_engine.unreadable, by_engine.rows) == (strict.unreadable, strict.rows)


def test_a_name_that_the_engine_takes_for_several_files_is_left_to_the_strict_reader(
    tmp_path: Path,
) -> None:
    file = _file(tmp_path, LEAST).rename(tmp_path / "day[1].ndjson")
    assert read_lines(file, LATEST) is None


def test_a_torn_last_line_is_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(segment_files, "LARGE", 0)
    file = _file(tmp_path, LEAST, json.dumps(LEAST)[:70], end="")
    assert read_segment(file, strict=True).rows.num_rows == 1
    assert read_segment(_file(tmp_path, LEAST, LEAST, end=""), strict=True).rows.num_rows == 2


def _plain(row: dict[str, Any]) -> dict[str, Any]:
    """Its JSON as pairs in their order, types and all: of two equal names both are there."""
    parts = ("id", "inputs", "prediction")
    return {k: _pairs(v) if k in parts and v is not None else v for k, v in row.items()}


def _pairs(text: str) -> str:
    return repr(json.loads(text, object_pairs_hook=list))
