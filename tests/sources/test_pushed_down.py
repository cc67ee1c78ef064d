"""What is asked of files reaches their reader: columns, moments, folders; the rest is not read."""

from __future__ import annotations

from contextlib import closing
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from command_line import Mlops
from mlops_cli.config.sections.source import FilesSource
from mlops_cli.sources import open_source
from mlops_cli.sources.base import Report, Span

BEGIN = datetime(2024, 1, 1)
HOURS = 24
WIDE = "x" * 60_000  # what is not asked for is most of a file


def _project(root: Path, table: str) -> None:
    text = f"project: p\ntask: binary\ndata: {{table: {table}, name: events, target: y}}\n"
    (root / "mlops.yaml").write_text(text)


def _day(day: int, **more: Any) -> pa.Table:
    """A row an hour, in four row groups where it is written by `_put`."""
    hours = range(HOURS * day, HOURS * (day + 1))
    columns = {
        "id": list(hours),
        "at": [BEGIN + timedelta(hours=h) for h in hours],
        "wide": [f"{h}{WIDE}" for h in hours],
    }
    return pa.table({**columns, **{name: [value] * HOURS for name, value in more.items()}})


def _put(file: Path, table: pa.Table) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(table, file, row_group_size=HOURS // 4, compression="none", use_dictionary=False)


def _landed(root: Path) -> list[dict[str, Any]]:
    parts = sorted((root / "data/raw/events").glob("*.parquet"))
    return [row for part in parts for row in pq.ParquetFile(part).read().to_pylist()]


def _hours(root: Path) -> list[int]:
    return [row["id"] for row in _landed(root)]


@pytest.fixture
def days(tmp_path: Path) -> Path:
    for day in range(3):
        _put(tmp_path / f"in/{day}.parquet", _day(day))
    _project(tmp_path, "{files: in, columns: [id, at], watermark: at}")
    return tmp_path


def _bytes_in(folder: Path) -> int:
    return sum(file.stat().st_size for file in folder.rglob("*.parquet"))


def _read(root: Path, source: FilesSource, span: Span) -> tuple[int, list[int]]:
    """The bytes that this process reads until all rows are there, and the `id` of each."""
    before = int(Path("/proc/self/io").read_text().split()[1])
    with closing(open_source(source, root)) as opened:
        parts = opened.parts([], None, span, Report())
        ids = [i for part in parts for batch in part.batches for i in batch["id"].to_pylist()]
    return int(Path("/proc/self/io").read_text().split()[1]) - before, ids


def test_windows_bring_each_row_once_and_twice_the_same_files(days: Path, mlops: Mlops) -> None:
    first = mlops(days, "ingest", "--since", "2024-01-01T12:00:00", "--until",
                  "2024-01-02T05:00:00Z", "--json", code=0).result  # fmt: skip
    assert (first["rows"], _hours(days)) == (18, list(range(12, 30)))
    kept = {p.name: p.read_bytes() for p in (days / "data/raw/events").glob("*.parquet")}
    window = ("ingest", "--since", "2024-01-01T12", "--until", "2024-01-02T05", "--json")
    assert mlops(days, *window, code=0).result["remarks"] == []
    assert kept == {p.name: p.read_bytes() for p in (days / "data/raw/events").glob("*.parquet")}
    assert mlops(days, "ingest", "--until", "2024-01-02T05", "--json", code=0).result["rows"] == 0
    mlops(days, "ingest", "--until", "2024-01-02T07", code=0)
    assert mlops(days, "ingest", "--json", code=0).result["rows"] == 72 - 32
    assert sorted(_hours(days)) == list(range(12, 72))
    assert mlops(days, "ingest", "--json", code=0).result["rows"] == 0
    assert set(_landed(days)[0]) == {"id", "at"}
    mlops(days, "ingest", "--since", "2024-01-01T06", code=0)  # begun further back
    assert sorted(_hours(days)) == list(range(6, 72))


def test_a_file_that_changed_keeps_its_windows(days: Path, mlops: Mlops) -> None:
    mlops(days, "ingest", "--until", "2024-01-01T05", code=0)
    _put(days / "in/0.parquet", _day(0).slice(2).append_column("new", pa.array([1] * 22)))
    mlops(days, "ingest", "--until", "2024-01-01T08", code=0)
    assert _hours(days) == [2, 3, 4, 5, 6, 7, 8]
    (days / "in/0.parquet").unlink()
    mlops(days, "ingest", code=0)
    assert _hours(days) == list(range(24, 72))
    _project(days, "{files: in, columns: [id], watermark: id}")
    mlops(days, "ingest", "--since", "60", code=0)
    assert sorted(_hours(days)) == list(range(24, 72))
    assert {row["at"] for row in _landed(days)} == {None}  # the column that had landed


def test_only_the_columns_and_row_groups_are_read(days: Path) -> None:
    source = FilesSource(files="in", columns=("id", "at"), watermark="at")
    whole = _read(days, FilesSource(files="in"), Span())
    assert whole[0] > _bytes_in(days / "in")
    read, ids = _read(days, source, Span())
    assert (read < whole[0] / 4, ids) == (True, list(range(72)))
    read, ids = _read(days, source, Span(until="2024-01-02T03"))
    assert (read < whole[0] / 4, ids) == (True, list(range(28)))
    every = FilesSource(files="in", watermark="at")
    read, ids = _read(days, every, Span("2024-01-02T06", "2024-01-02T11"))  # a group of twelve
    assert (read < whole[0] / 4, ids) == (True, list(range(30, 36)))


def test_folders_that_hold_nothing_are_not_opened(tmp_path: Path, mlops: Mlops) -> None:
    for day in range(3):
        _put(tmp_path / f"in/on=2024-01-0{day + 1}/a.parquet", _day(day))
    for closed in (
        tmp_path / "in/on=2024-01-01/a.parquet",
        tmp_path / "in/on=2024-01-03/a.parquet",
    ):
        closed.write_bytes(b"whoever opens it fails")
    _project(tmp_path, "{files: in, columns: [id, on], watermark: on}")
    window = ("ingest", "--since", "2024-01-02", "--until", "2024-01-02")
    mlops(tmp_path, *window, code=0)
    assert _hours(tmp_path) == list(range(24, 48))
    assert {row["on"] for row in _landed(tmp_path)} == {"2024-01-02"}
    assert "on=2024-01-03/a.parquet cannot be read" in mlops(tmp_path, "ingest", code=3).err


def test_text_files_are_cut_the_same_way(tmp_path: Path, mlops: Mlops) -> None:
    (tmp_path / "in").mkdir()
    (tmp_path / "in/a.csv").write_text("id,at,z\n1,2024-01-01,a\n2,,b\n3,2024-01-03,c\n")
    lines = ['{"id": 4, "at": "2024-01-02", "z": "d"}', '{"id": 5, "at": "2024-01-09", "z": "e"}']
    _project(tmp_path, "{files: in, columns: [id, at], watermark: at}")
    found = mlops(tmp_path, "ingest", "--until", "2024-01-02", "--json", code=0).result
    assert found["remarks"] == ["1 rows have no at and are not brought"]
    mlops(tmp_path, "ingest", code=0)
    assert _hours(tmp_path) == [1, 3]
    _project(tmp_path, "{files: 'in/*.jsonl', columns: [id, at], watermark: at}")
    (tmp_path / "in/b.jsonl").write_text("\n".join(lines))
    mlops(tmp_path, "ingest", "--until", "2024-01-05", code=0)
    assert _hours(tmp_path) == [4]
    mlops(tmp_path, "ingest", code=0)
    assert _hours(tmp_path) == [4, 5]


@pytest.mark.parametrize(
    ("table", "more", "said"),
    [
        ("in", ["--since", "1"], "--since and --until of files need a column to go by"),
        ("{files: in, watermark: no}", [], "has no column 'no', which is data.table.watermark"),
        ("{files: in, columns: [id, no]}", [], "has no column 'no'"),
        ("{files: in, columns: [id], watermark: at}", [], "data.table.columns leaves 'at' out"),
        ("{files: in, watermark: at}", ["--since", "soon"], "'soon' is no datetime"),
        ("{files: in, watermark: flag}", ["--since", "1"], "this one is bool"),
    ],
)
def test_what_cannot_be_asked_is_told(
    days: Path, mlops: Mlops, table: str, more: list[str], said: str
) -> None:
    _put(days / "in/0.parquet", _day(0, flag=True))
    _project(days, table)
    assert said in mlops(days, "ingest", *more, code=2).err


def test_another_watermark_than_rows_were_cut_by_is_refused(days: Path, mlops: Mlops) -> None:
    mlops(days, "ingest", "--until", "2024-01-01T05", code=0)
    _project(days, "{files: in, columns: [id, at], watermark: id}")
    assert "what landed was cut by at" in mlops(days, "ingest", code=2).err
