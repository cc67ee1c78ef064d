from __future__ import annotations

import gzip
import io
from datetime import UTC, datetime

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from mlops_cli.errors import DataError
from mlops_cli.tables import open_engine
from mlops_cli.tables.csv_form import broken_line, read_form


def _rows(path, sql="select * exclude (__row__) from {raw}"):
    with open_engine() as engine:
        return engine.rows(sql.format(raw=engine.raw(path)))


def _types(path):
    with open_engine() as engine:
        return {c.name: c.type for c in engine.columns(path)}


@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
def test_the_delimiter_is_that_of_the_header(tmp_path, delimiter):
    path = tmp_path / "t.csv"
    lines = [["a", "b"], *([f"{i},5", "x"] for i in range(20))]
    quoted = [[f'"{c}"' if delimiter in c else c for c in line] for line in lines]
    path.write_text("\n".join(delimiter.join(line) for line in quoted) + "\n")
    assert read_form(path).delimiter == delimiter
    assert _rows(path)[3] == ("3,5", "x")


@pytest.mark.parametrize("broken", ["1", "1,2,3", "1,2,3,4,5"])
@pytest.mark.parametrize("at", [1, 150, 299])
def test_a_broken_line_is_named_and_never_another_table(tmp_path, broken, at):
    lines = ["a,b,c,d", *["1,2,3,4"] * 300]
    lines.insert(at, broken)
    path = tmp_path / "t.csv"
    path.write_text("\n".join(lines) + "\n")
    with pytest.raises(DataError, match=rf"t\.csv: line {at + 1} has {len(broken.split(','))} "):
        _types(path)


def test_a_mark_of_order_carriage_returns_and_blank_lines_are_no_data(tmp_path):
    path = tmp_path / "t.csv"
    path.write_bytes(b"\xef\xbb\xbf\r\n\r\na,b\r\n1,x\r\n2,y\r\n")
    assert _types(path) == {"a": "integer", "b": "text"}
    assert _rows(path) == [("1", "x"), ("2", "y")]


def test_a_gzipped_file_and_a_header_of_odd_names(tmp_path):
    path = tmp_path / "t.csv.gz"
    with gzip.open(path, "wt", encoding="utf-8") as file:
        file.write('"größe, m","say ""hi""","new\nline"\n1,2,3\n')
    assert list(_types(path)) == ["größe, m", 'say "hi"', "new\nline"]
    assert _rows(path) == [("1", "2", "3")]


def test_a_file_that_is_not_utf8_is_named(tmp_path):
    path = tmp_path / "t.csv"
    path.write_bytes("a,b\n1,ä\n".encode("latin-1"))
    with pytest.raises(DataError, match=r"t\.csv is not UTF-8") as e:
        _types(path)
    assert "iconv" in (e.value.hint or "")


@pytest.mark.parametrize("names", [("a", "a"), ("a", "A")])
@pytest.mark.parametrize("ending", ["csv", "parquet"])
def test_a_name_that_occurs_twice_is_refused(tmp_path, names, ending):
    path = tmp_path / f"t.{ending}"
    if ending == "csv":
        path.write_text(",".join(names) + "\n1,2\n")
    else:
        pq.write_table(pa.table([[1], [2]], names=list(names)), path)
    with pytest.raises(DataError, match=rf"two columns of one name: 'a' and '{names[1]}'"):
        _types(path)


@pytest.mark.parametrize("name", ["__row__", "__Target__", "file_row_number"])
@pytest.mark.parametrize("ending", ["csv", "parquet"])
def test_a_name_of_the_pipelines_own_is_refused(tmp_path, name, ending):
    path = tmp_path / f"t.{ending}"
    if ending == "csv":
        path.write_text(f"a,{name}\n1,2\n")
    else:
        pq.write_table(pa.table({"a": [1], name: [2]}), path)
    with pytest.raises(DataError, match=rf"a column '{name}'"):
        _types(path)


def test_fields_of_nested_columns_are_no_names_of_the_table(tmp_path):
    path = tmp_path / "t.parquet"
    pq.write_table(pa.table({"s": [{"a": 1, "b": [{"a": 2}]}], "a": [1], "l": [[1]]}), path)
    assert _types(path) == {"s": None, "a": "integer", "l": None}


def test_words_for_missing_and_infinite_numbers_do_not_make_a_column_text(tmp_path):
    path = tmp_path / "t.csv"
    path.write_text("x,n,k,d\n1.5,3,NA,2020-01-01\nNA,NA,a,NA\n-inf,?,b,\n,4,c,2020-01-02\n")
    assert _types(path) == {"x": "float", "n": "integer", "k": "text", "d": "date"}
    with open_engine() as engine:
        relation = engine.typed_with_source(path, {"x": "float", "n": "integer", "k": "text"})
        found = engine.rows(f"select * exclude (__row__) from {relation} order by __row__")
    assert [row[0] for row in found] == [1.5, None, float("-inf"), None]
    assert [row[1] for row in found] == [3, None, None, 4]
    assert [row[2] for row in found] == ["NA", "a", "b", "c"]  # a text of its own
    assert [row[3] for row in found] == ["1.5", None, "-inf", None]
    assert [row[4] for row in found] == ["3", None, None, "4"]


@pytest.mark.parametrize("unit", ["s", "ms", "us", "ns"])
@pytest.mark.parametrize("zone", [None, "America/New_York"])
def test_a_moment_of_any_unit_and_zone_is_utc(tmp_path, unit, zone):
    path = tmp_path / "t.parquet"
    moment = datetime(1950, 7, 1, 12, tzinfo=UTC)
    pq.write_table(pa.table({"t": pa.array([moment], pa.timestamp(unit, zone))}), path)
    assert _types(path) == {"t": "timestamp"}
    with open_engine() as engine:
        found = engine.rows(f"select t from {engine.typed(path, {'t': 'timestamp'})}")
    assert found == [(moment.replace(tzinfo=None),)]


def test_an_apostrophe_is_no_quote(tmp_path):
    path = tmp_path / "t.csv"
    path.write_text("a,b\n'x',1\n'y',2\n")
    assert _rows(path) == [("'x'", "1"), ("'y'", "2")]


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"a,b\n" + b"1,x\n" * 40_000 + b"7,\xe4\n" + b"1,x\n", "not UTF-8: line 40002 "),
        ("a,b\n1,x\n".encode("utf-16"), "is UTF-16"),
        (b"PAR1\xe4", "is a Parquet file"),
        (b"PK\x03\x04\xe4", "such as Excel writes"),
        (b"a,b\n1,x\r\n2,y\n", "line 2 ends otherwise"),
        (b'a,b\n1,x\n2,"y \\"z"\n', "line 3: .*a quote in a quoted field is written twice"),
    ],
)
def test_what_no_csv_file_holds_is_told_with_its_line(tmp_path, content, says):
    path = tmp_path / "t.csv"
    path.write_bytes(content)
    with pytest.raises(DataError, match=rf"t\.csv.*{says}"), open_engine() as engine:
        engine.rows(f"select count(a), count(b) from {engine.raw(path)}")


def test_what_the_file_holds_is_no_complaint_of_the_machine(tmp_path):
    path = tmp_path / "read-only/t.csv"
    path.parent.mkdir()
    path.write_text("a,b\n" + "1,x\n" * 50 + "2,out of memory,oops\n")
    with pytest.raises(DataError, match="line 52 has 3 fields"), open_engine() as engine:
        engine.rows(f"select count(a), count(b) from {engine.raw(path)}")


def test_a_long_text_is_read(tmp_path):
    path = tmp_path / "t.csv"
    path.write_text(f"a,b\n1,{'x' * 300_000}\n2,y\n")
    assert [(a, len(b)) for a, b in _rows(path)] == [("1", 300_000), ("2", 1)]


def test_a_line_end_inside_quotes_is_no_end_of_a_record(tmp_path):
    path = tmp_path / "t.csv"
    path.write_bytes(b'a,b\r\n1,"x\ny"\r\n2,z\r\n')
    assert broken_line(path, read_form(path)) is None


def _whole() -> bytes:
    file = io.BytesIO()
    pq.write_table(pa.table({"a": list(range(5000))}), file)
    return file.getvalue()


@pytest.mark.parametrize(
    ("spoil", "says"),
    [
        (lambda whole: b"", "is empty"),
        (lambda whole: whole[:3000], "is cut off"),
        (lambda whole: whole[500:], "is no Parquet file"),
        (lambda whole: b"a,b\n1,2\n", "is no Parquet file"),
        (lambda whole: whole[:100] + bytes(len(whole) - 1000) + whole[-900:], ": "),
    ],
)
def test_a_broken_parquet_file_is_named_by_its_name_alone(tmp_path, spoil, says):
    path = tmp_path / "t.parquet"
    path.write_bytes(spoil(_whole()))
    with pytest.raises(DataError, match=rf"^t\.parquet ?{says}"), open_engine() as engine:
        engine.rows(f"select sum(a) from {engine.raw(path)}")
