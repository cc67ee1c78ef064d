"""A table's file without some of its rows: the others as they were, in every form."""

from __future__ import annotations

import gzip
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from mlops_cli.tables import open_engine
from mlops_cli.tables.without_rows import (
    drop_numbers,
    ending_of,
    names_of,
    numbers_of,
    record_values,
    touches,
    write_without,
)

PLAIN = b"who,n\na,1\nb,2\na,3\n"
QUOTED = b'who,n\r\n"a",1\r\n"b ""x""\r\n, y",2\r\na,3'
MARKED = b"\xef\xbb\xbf\n\nwho;n\n a ;1\n\nb;2\na;3\n"


def found(path: Path, value: str, *columns: str) -> list[int]:
    with open_engine() as engine:
        return numbers_of(engine, path, columns or ("who",), value).tolist()


@pytest.mark.parametrize("end", [".csv", ".csv.gz"])
@pytest.mark.parametrize(
    ("text", "value", "numbers", "rest"),
    [
        (PLAIN, "a", [0, 2], b"who,n\nb,2\n"),
        (PLAIN, "b", [1], b"who,n\na,1\na,3\n"),
        (QUOTED, "a", [0, 2], b'who,n\r\n"b ""x""\r\n, y",2\r\n'),
        (QUOTED, 'b "x"\r\n, y', [1], b'who,n\r\n"a",1\r\na,3'),
        (MARKED, "a", [0, 2], b"\xef\xbb\xbf\n\nwho;n\n\nb;2\n"),
    ],
)
def test_every_other_byte_of_a_csv_file_stays(
    tmp_path: Path, end: str, text: bytes, value: str, numbers: list[int], rest: bytes
) -> None:
    path, made = tmp_path / f"t{end}", tmp_path / "made"
    path.write_bytes(gzip.compress(text) if end.endswith("gz") else text)
    assert ending_of(path) == end
    assert found(path, value) == numbers
    write_without(path, np.array(numbers), made)
    content = made.read_bytes()
    assert (gzip.decompress(content) if end.endswith("gz") else content) == rest
    told = record_values(path, np.array(numbers))
    assert [row["who"].strip() for row in told] == [value] * len(numbers)


def test_columns_types_and_order_of_a_parquet_file_stay(tmp_path: Path) -> None:
    path, made = tmp_path / "t.parquet", tmp_path / "made"
    n = 200_000
    columns = {
        "who": pa.array([i % 1000 for i in range(n)], pa.int64()),
        "f": pa.array([float(i) for i in range(n)], pa.float32()),
        "d": pa.array([None if i % 7 else f"d{i % 5}" for i in range(n)]).dictionary_encode(),
        "t": pa.array(range(n), pa.timestamp("ms", "UTC")),
        "l": pa.array([[i, i + 1] for i in range(n)]),
    }
    table = pa.table(columns).replace_schema_metadata({"by": "us"})
    pq.write_table(table, path, compression="zstd", row_group_size=70_000)
    numbers = found(path, "17")
    assert numbers == [*range(17, n, 1000)]
    write_without(path, np.array(numbers), made)
    keep = np.ones(n, bool)
    keep[numbers] = False
    kept = pq.read_table(path).filter(pa.array(keep))
    assert pq.read_table(made).equals(kept, check_metadata=True)
    assert pq.ParquetFile(made).metadata.row_group(0).column(0).compression == "ZSTD"


def test_a_value_is_text_and_no_other_number(tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    path.write_text("who,n\n7,1\n7.0,2\n007,3\n70,4\n,5\n7.01,6\n")
    assert found(path, "7") == found(path, "7.0") == [0, 1]
    assert found(path, "007") == [2]
    pq.write_table(pa.table({"who": [7.0, None, 70.0]}), tmp_path / "f.parquet")
    assert found(tmp_path / "f.parquet", "7") == [0]


def test_rows_that_count_the_rows_of_another_table_are_numbered_anew(tmp_path: Path) -> None:
    path, made = tmp_path / "t.parquet", tmp_path / "made"
    rows = {"table": ["x", "y", "x", "x", None], "row": [1, 2, 3, 5, None], "v": list("abcde")}
    pq.write_table(pa.table(rows), path)
    numbers = np.array([2, 3])
    assert touches(path, "row", numbers, "table=x") == (1, True)
    assert drop_numbers(path, "row", numbers, made, "table=x") == 1
    left = pq.read_table(made).to_pylist()
    assert [(r["table"], r["row"], r["v"]) for r in left] == [
        ("x", 1, "a"), ("y", 2, "b"), ("x", 3, "d"), (None, None, "e")]  # fmt: skip
    assert touches(path, "row", np.array([6]), "table=x") == (0, False)


@pytest.mark.parametrize("content", [b"", b"\xff\xfe\x00", b"PAR1 is not enough", b"\x1f\x8bxx"])
def test_what_is_no_table_has_no_columns(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "object"
    path.write_bytes(content)
    assert names_of(path) == ()
