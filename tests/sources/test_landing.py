"""A part's columns may change in its middle: no value is lost, cut or made another one."""

from __future__ import annotations

import random
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from mlops_cli.errors import DataError
from mlops_cli.sources.base import Part
from mlops_cli.sources.json_lines import fault_of, flat_table, table_of
from mlops_cli.sources.landing import Landing

BIG = 2**53 + 1  # the first whole number that no float is
Columns = dict[str, list[Any]]


def _land(folder: Path, *batches: Columns) -> list[dict[str, Any]]:
    landing = Landing(folder / "raw/t")
    (folder / "raw").mkdir(exist_ok=True)
    read = (batch for columns in batches for batch in pa.table(columns).to_batches())
    written = landing.write(Part(read, {"to": 7}), landing.schema())
    assert written is not None
    landing.commit(written)
    assert Landing(folder / "raw/t").landed()[-1] == written
    return pq.read_table(folder / f"raw/t/{written.number:06d}.parquet").to_pylist()


@pytest.mark.parametrize(
    ("batches", "wanted"),
    [
        pytest.param([{"a": [1]}, {"a": [2], "b": ["x"]}, {"a": [3]}],
            [{"a": 1, "b": None}, {"a": 2, "b": "x"}, {"a": 3, "b": None}], id="one-comes"),
        pytest.param([{"a": [1, 2]}, {"a": [2.5]}, {"a": [4]}],
            [{"a": 1.0}, {"a": 2.0}, {"a": 2.5}, {"a": 4.0}], id="whole-numbers-widen"),
        pytest.param([{"a": [None], "b": [1]}, {"a": ["x"], "b": [2]}],
            [{"a": None, "b": 1}, {"a": "x", "b": 2}], id="nulls-get-a-type"),
        pytest.param([{"a": [1], "b": [None]}, {"b": [1.5]}, {"a": [2]}],
            [{"a": 1, "b": None}, {"a": None, "b": 1.5}, {"a": 2, "b": None}], id="one-goes"),
    ],
)  # fmt: skip
def test_columns_that_change_in_a_part_keep_every_value(
    tmp_path: Path, batches: Sequence[Columns], wanted: list[dict[str, Any]]
) -> None:
    assert _land(tmp_path, *batches) == wanted
    assert [f.name for f in (tmp_path / "raw").rglob("*")] == ["t", "000001.parquet"]


@pytest.mark.parametrize(
    ("batches", "said"),
    [
        ([{"a": [1]}, {"a": ["x"]}], "'a' was int64, and is string"),
        ([{"a": [1.5]}, {"a": [BIG]}], f"'a' cannot be double: Integer value {BIG}"),
        ([{"a": [BIG]}, {"a": [1.5]}], f"'a' cannot be double: Integer value {BIG}"),
        ([{"a": pa.array([2**64 - 1], pa.uint64())}], "'a' cannot be int64"),
        ([{"a": pa.array([2**62], pa.timestamp("s"))}], "'a' cannot be timestamp"),
    ],
)
def test_a_value_that_would_become_another_one_is_refused(
    tmp_path: Path, batches: Sequence[Columns], said: str
) -> None:
    with pytest.raises(DataError, match=said):
        _land(tmp_path, *batches)
    assert [f for f in tmp_path.rglob("*") if f.is_file()] == []


def test_a_number_that_gets_fractions_leaves_the_other_whole_numbers_alone() -> None:
    schema = pa.schema([("id", pa.int64()), ("price", pa.int64()), ("at", pa.string())])
    line = b'{"id": %d, "price": 1.5, "at": "2013-01-01T00:00:00Z"}' % BIG
    (row,) = table_of([line], schema, "the lines").to_pylist()
    assert row == {"id": BIG, "price": 1.5, "at": "2013-01-01T00:00:00Z"}


def test_json_lines_beyond_one_batch_keep_columns_and_fractions(tmp_path: Path) -> None:
    from mlops_cli.config.sections.source import FilesSource
    from mlops_cli.sources import files
    from mlops_cli.sources.base import Report, Span
    from mlops_cli.sources.rows import _LINES as BATCH

    (tmp_path / "in").mkdir()
    lines = [f'{{"id": {n}, "price": {n % 7}}}' for n in range(BATCH)]
    lines += ['{"id": 1, "price": 0.5, "late": "x"}']
    (tmp_path / "in/a.jsonl").write_text("\n".join(lines))
    (part,) = files.open_source(FilesSource(files="in"), tmp_path).parts([], None, Span(), Report())
    landing = Landing(tmp_path / "raw")
    written = landing.write(part, None)
    assert written is not None
    landing.commit(written)
    rows = pq.read_table(tmp_path / "raw/000001.parquet").to_pylist()
    assert rows[-1] == {"id": 1, "price": 0.5, "late": "x"}
    assert rows[6] == {"id": 6, "price": 6.0, "late": None}


_LINES = [
    b'{}', b'{"a": 1}', b'{"a": {"b": 1}}', b'{"a": "}\\n,{"}', b' {"a": 1} ', b'{"a": 1}\n', b"7",
    b'{"a":', b'1}', b'{"a": 1},{"b": 2}', b'{"a": [{"b": 1}', b'{"c": 2}]}', b'{"a": "\xff"}',
    b'{"a": "\xc3\xbc"}', b"", b"[1]", b'{"a": {}', b'{"a": "x', b'y"}', b'{"a": 1}\n,{"b": 2}',
    b'{"a":' * 3000,
]  # fmt: skip


def test_lines_that_are_taken_at_once_are_each_an_object() -> None:
    draw, at_once = random.Random(1), 0
    for _ in range(4000):
        lines = draw.choices(_LINES[:4] if draw.random() < 0.3 else _LINES, k=draw.randrange(1, 5))
        if (table := flat_table(lines, None)) is not None:
            at_once += 1
            assert [fault_of(line) for line in lines] == [None] * len(lines), lines
            assert table.equals(table_of(lines, None, "lines"))
            assert table.num_rows == len(lines)
    assert at_once > 300
