"""Dates of a format, words for missing: read the same by tables, data frames and requests."""

from __future__ import annotations

from datetime import date, datetime

import duckdb
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from mlops_cli.contracts.forms import FORMATS, read_forms
from mlops_cli.contracts.frames import cast_series
from mlops_cli.contracts.model import ColumnContract
from mlops_cli.expressions.decimal_comma import DECIMAL_COMMA
from mlops_cli.expressions.moments import EPOCHS, reader
from mlops_cli.expressions.values import Refused, converter
from mlops_cli.tables import open_engine
from mlops_cli.tables.base import ColumnForm
from mlops_cli.tables.casts import cast_sql, source_sql

UTC = duckdb.connect(config={"threads": 1})
UTC.execute("set TimeZone = 'UTC'")
MOMENTS = st.datetimes(datetime(1970, 1, 1), datetime(2060, 1, 1))


def from_table(value: object, native: str, form: ColumnForm) -> tuple[object, bool]:
    """The value that a table's cell has, and whether it is one that cannot be cast."""
    cell, source = cast_sql("x", native, form), source_sql("x", native, form)
    sql = f"select {cell}, {source} from (select $1::{native} as x)"
    ((typed, raw),) = UTC.execute(sql, [value]).fetchall()
    return typed, typed is None and raw is not None


def from_request(value: object, form: ColumnForm) -> tuple[object, bool]:
    exact, convert = converter(form.type, form.missing, form.format)
    if type(value) is exact:
        return value, False
    try:
        return convert(value), False
    except Refused:
        return None, True


def from_frame(value: object, form: ColumnForm) -> tuple[object, bool]:
    typed, wrong = cast_series(pd.Series([value]), form)
    found = None if pd.isna(typed.iloc[0]) else typed.iloc[0]
    if isinstance(found, pd.Timestamp):
        found = found.to_pydatetime()
        found = found.date() if form.type == "date" else found
    return found, bool(wrong.iloc[0])


@pytest.mark.parametrize("form", [*FORMATS[:19], *FORMATS[20::7]])
@settings(max_examples=10, deadline=None)
@given(moment=MOMENTS, change=st.none() | st.tuples(st.integers(0, 30), st.sampled_from("09/ aA.")))
def test_a_date_is_the_same_in_tables_frames_and_requests(form, moment, change) -> None:
    text = moment.strftime(form)
    if change:
        at, new = change[0] % len(text), change[1]
        text = text[:at] + new + text[at + 1 :]
    column = ColumnForm("timestamp", format=form)
    answer = from_table(text, "VARCHAR", column)
    assert from_request(text, column) == answer
    assert from_frame(text, column) == answer
    if change is None:
        assert answer[0] == reader(form)(text) is not None


@pytest.mark.parametrize("unit", EPOCHS)
@given(value=st.integers(-(10**14), 10**14) | st.floats(-1e13, 1e13))
@settings(max_examples=30, deadline=None)
def test_a_count_since_1970_is_the_same_in_tables_frames_and_requests(unit, value) -> None:
    column = ColumnForm("timestamp", format=unit)
    native = "BIGINT" if isinstance(value, int) else "DOUBLE"
    answer = from_table(value, native, column)
    assert from_request(value, column) == answer
    assert from_table(repr(value), "VARCHAR", column) == answer
    assert from_frame(value, column) == answer


@pytest.mark.parametrize(
    ("value", "native", "form", "expected"),
    [
        ("NA", "VARCHAR", ColumnForm("text", ("NA",)), (None, False)),
        ("na", "VARCHAR", ColumnForm("text", ("NA",)), ("na", False)),
        ("-", "VARCHAR", ColumnForm("date", ("-",)), (None, False)),
        ("", "VARCHAR", ColumnForm("text"), (None, False)),
        ("", "VARCHAR", ColumnForm("text", ("NA",)), (None, False)),
        (" ", "VARCHAR", ColumnForm("text"), (" ", False)),
        ("NA", "VARCHAR", ColumnForm("text"), ("NA", False)),
        ("NA", "VARCHAR", ColumnForm("float"), (None, False)),
        ("NA", "VARCHAR", ColumnForm("float", ("-",)), (None, False)),
        ("", "VARCHAR", ColumnForm("integer"), (None, False)),
        ("?", "VARCHAR", ColumnForm("boolean"), (None, False)),
        ("null", "VARCHAR", ColumnForm("timestamp"), (None, False)),
        ("n/a", "VARCHAR", ColumnForm("date", format="%m/%d/%Y"), (None, False)),
        ("missing", "VARCHAR", ColumnForm("float"), (None, True)),
        (
            "2024-01-31",
            "VARCHAR",
            ColumnForm("date", format="%m/%d/%Y"),
            (date(2024, 1, 31), False),
        ),
        ("31/02/2024", "VARCHAR", ColumnForm("date", format="%d/%m/%Y"), (None, True)),
        (20240131, "BIGINT", ColumnForm("date", format="%Y%m%d"), (date(2024, 1, 31), False)),
        (20240131.0, "DOUBLE", ColumnForm("date", format="%Y%m%d"), (date(2024, 1, 31), False)),
        (20240132, "BIGINT", ColumnForm("date", format="%Y%m%d"), (None, True)),
    ],
)
def test_tables_frames_and_requests_read_the_same(value, native, form, expected) -> None:
    assert from_table(value, native, form) == expected
    assert from_request(value, form) == expected
    assert from_frame(value, form) == expected


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("12,5", 12.5),
        ("1.234,5", 1234.5),
        ("-1.234.567,50", -1234567.5),
        ("1 234,5", 1234.5),
        ("1\u202f234,5", 1234.5),
        ("1.234", 1234.0),
        ("12", 12.0),
        (",5", 0.5),
        ("3,", 3.0),
        ("1,5e3", 1500.0),
        ("12.5", None),
        ("1.2345,0", None),
        ("1.234 567", None),
        ("1,2,3", None),
        ("12,5 kg", None),
        (" 12,5", None),
        (",", None),
        ("nan", None),
        ("\u0661,5", None),
    ],
)
def test_a_decimal_comma_is_the_same_in_tables_frames_and_requests(text, number) -> None:
    expected = (number, number is None and text != "nan")  # which stands for missing everywhere
    for kind in ("float", "integer") if number is None or number.is_integer() else ("float",):
        form = ColumnForm(kind, format=DECIMAL_COMMA)
        assert from_table(text, "VARCHAR", form) == expected
        assert from_request(text, form) == expected
        assert from_frame(text, form) == expected


@pytest.mark.parametrize("native", ["DOUBLE", "BIGINT"])
def test_real_numbers_are_read_beside_a_decimal_comma(native) -> None:
    form, value = ColumnForm("float", format=DECIMAL_COMMA), 12.5 if native == "DOUBLE" else 12
    for read in (from_request, from_frame):
        assert read(value, form) == from_table(value, native, form) == (value, False)


@pytest.mark.parametrize(
    ("values", "kind", "says"),
    [
        (["12,5", "3,25"], "float", "a number with a decimal comma"),
        (["12,5", "3", "k.A."], "text", None),
        (["12,5", "3", "NA", "n/a"], "float", "missing where it is"),
        (["0,125", "0,250"], "float", "decimal comma"),
        (["1,234", "12,500"], "text", "may have a decimal comma or thousands"),
        (["1.234,50", "12,500"], "float", "decimal comma"),
        (["1,2,3", "1,2"], "text", None),
    ],
)
def test_a_decimal_comma_is_known_by_its_column(tmp_path, values, kind, says) -> None:
    table = tmp_path / "t.csv"
    table.write_text("a;b\n" + "".join(f"{v};x\n" for v in values * 5))
    with open_engine() as engine:
        read = read_forms(engine, table, engine.columns(table), times=(), formats={})
    form = read.of["a"]
    assert (form.type, form.format) == (kind, DECIMAL_COMMA if kind == "float" else None)
    said = [r.text for r in read.remarks if r.column == "a"]
    assert says in said[0] if says else not said


@pytest.mark.parametrize(("other", "read_as"), [("0,5", 1234.0), ("0.5", 1.234)])
def test_points_part_thousands_where_others_have_a_decimal_comma(tmp_path, other, read_as) -> None:
    table = tmp_path / "t.csv"
    table.write_text("a;b\n" + f"1.234;{other}\n12.345;{other}\n" * 5)
    with open_engine() as engine:
        forms = read_forms(engine, table, engine.columns(table), times=(), formats={}).of
        assert engine.rows(f"select min(a) from {engine.typed(table, forms)}") == [(read_as,)]


@pytest.mark.parametrize("word", ["Yes", "yes", "TRUE", "t", "y", "1", 1, True])
def test_a_boolean_takes_the_words_that_a_table_has(word) -> None:
    assert from_request(word, ColumnForm("boolean")) == (True, False)
    if isinstance(word, str):
        assert from_table(word, "VARCHAR", ColumnForm("boolean")) == (True, False)
        no = {"Yes": "No", "yes": "no", "TRUE": "FALSE", "t": "f", "y": "n", "1": "0"}[word]
        assert from_request(no, ColumnForm("boolean")) == (False, False)


@pytest.mark.parametrize(
    ("column", "says"),
    [
        ({"type": "date", "format": "%m/%Y"}, "year, month and day once each"),
        ({"type": "date", "format": "%d/%m/%Y %H:%M"}, "the type is timestamp"),
        ({"type": "timestamp", "format": "%d/%m/%Y %Q"}, "has %Q"),
        ({"type": "timestamp", "format": "%d/%m/%Y %I:%M"}, "%I and %p"),
        ({"type": "text", "format": "%d/%m/%Y"}, "a text column has no format"),
        ({"type": "date", "format": "epoch_ms"}, "the type is timestamp"),
        ({"type": "float", "format": "epoch_ms"}, "a number's format is decimal_comma"),
    ],
)
def test_a_format_that_is_none_is_refused(column, says) -> None:
    with pytest.raises(ValidationError, match=says):
        ColumnContract.model_validate(column)


def test_a_table_of_real_dates_is_read_beside_the_format(tmp_path) -> None:
    pq.write_table(pa.table({"d": [date(2024, 1, 31), None]}), tmp_path / "t.parquet")
    form = ColumnForm("date", ("NA",), "%m/%d/%Y")
    with open_engine() as engine:
        relation = engine.typed_with_source(tmp_path / "t.parquet", {"d": form})
        assert engine.rows(f"select d from {relation} order by __row__") == [
            (date(2024, 1, 31),),
            (None,),
        ]
