"""The SQL scan of a file and the pandera schema of a frame say the same of the same rows."""

from __future__ import annotations

import math
import tempfile
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pandera.pandas as pa
import pyarrow as arrow
import pyarrow.parquet as pq
from hypothesis import given, settings
from hypothesis import strategies as st

from mlops_cli.contracts.model import ColumnContract, Contract, Rule
from mlops_cli.contracts.pandera import to_pandera
from mlops_cli.contracts.scan import scan
from mlops_cli.tables import open_engine

START = datetime(2013, 1, 1)
moments = st.integers(0, 72).map(lambda h: START + timedelta(hours=h))
texts = st.sampled_from(["a", "b", "c", "ab", "", "é", "A", " a"])
number_texts = st.sampled_from(["1", "-2", "3.5", "4.0", "x", "", "1e2", "inf", "nan", "NA", "  7"])
moment_texts = st.sampled_from(
    ["2013-01-01T05:00:00Z", "2013-01-02T05:00:00+02:00", "2013-01-03 00:00:00", "soon", "", "?"]
)
floats = st.one_of(
    st.floats(-5, 5),
    st.integers(-5, 5).map(float),
    st.sampled_from([math.inf, -math.inf, math.nan]),
)

# What a column holds in the file, and what a contract may take it for.
SOURCES: dict[str, tuple[Any, arrow.DataType, list[str]]] = {
    "integers": (st.integers(-5, 5), arrow.int64(), ["integer", "float", "text"]),
    "big": (st.sampled_from([2**53, 2**53 + 1, 2**62]), arrow.int64(), ["integer"]),
    "floats": (floats, arrow.float64(), ["float", "integer"]),
    "texts": (texts, arrow.string(), ["text"]),
    "numbers": (number_texts, arrow.string(), ["float", "integer", "text"]),
    "truths": (st.booleans(), arrow.bool_(), ["boolean", "integer"]),
    "yes": (
        st.sampled_from(["true", "false", "no", "T", "maybe", "NA"]),
        arrow.string(),
        ["boolean"],
    ),
    "moments": (moments, arrow.timestamp("us"), ["timestamp", "date"]),
    "spelled": (moment_texts, arrow.string(), ["timestamp"]),
    "durations": (
        st.integers(-5000, 5000).map(lambda ms: timedelta(milliseconds=ms)),
        arrow.duration("us"),
        ["float"],
    ),
    "days": (moments.map(lambda m: m.date()), arrow.date32(), ["date", "timestamp"]),
}


@st.composite
def columns(draw: st.DrawFn, rows: int) -> tuple[arrow.Array, ColumnContract]:
    values, stored, kinds = SOURCES[draw(st.sampled_from(sorted(SOURCES)))]
    cells = draw(st.lists(st.one_of(st.none(), values), min_size=rows, max_size=rows))
    kind = draw(st.sampled_from(kinds))
    rules: dict[str, Any] = {"nullable": draw(st.booleans()), "unique": draw(st.booleans())}
    if kind in ("integer", "float") and draw(st.booleans()):
        low = draw(st.integers(-4, 4))
        rules |= {"min": low, "max": low + draw(st.integers(0, 4))}
    if kind in ("date", "timestamp") and draw(st.booleans()):
        low_moment = draw(moments)
        rules["min"] = low_moment.isoformat() if kind == "timestamp" else str(low_moment.date())
    if kind == "text" and draw(st.booleans()):
        rules["categories"] = tuple(draw(st.sets(texts, min_size=1)))
    if kind == "text" and draw(st.booleans()):
        rules["pattern"] = draw(st.sampled_from(["[a-c]+", "a|b", r"\w*", "."]))
    if kind == "integer" and draw(st.booleans()):
        rules["categories"] = (0, 1, 2)
    return arrow.array(cells, type=stored), ColumnContract(type=kind, **rules)


@st.composite
def tables(draw: st.DrawFn) -> tuple[arrow.Table, Contract]:
    rows = draw(st.integers(1, 12))
    made = [draw(columns(rows)) for _ in range(draw(st.integers(1, 3)))]
    names = ["x", "a column", 'quo"te'][: len(made)]
    contract = Contract(
        columns={n: c for n, (_, c) in zip(names, made, strict=True)},
        unique=(tuple(names[:2]),) if draw(st.booleans()) else (),
        rules=(Rule(name="not one", expr="x::varchar <> '1'"),) if draw(st.booleans()) else (),
    )
    return arrow.table([a for a, _ in made], names=names), contract


def by_scan(path: Path, contract: Contract) -> set[tuple[str, str, int]]:
    with open_engine() as engine:
        found = scan(engine, path, contract, table="t")
        if found.rows_sql is None:
            assert not found.violations
            return set()
        bad = set(engine.rows(f'select "column", rule, "row" from {found.rows_sql}'))
    for violation in found.violations:
        rows = [row for c, r, row in bad if (c, r) == (violation.column, violation.rule)]
        assert violation.count == len(rows)
        assert {b.row for b in violation.first} == set(sorted(rows)[:5])
    assert found.bad_rows == len({row for _, _, row in bad})
    return bad


def by_pandera(table: arrow.Table, contract: Contract) -> set[tuple[str, str, int]]:
    frame = table.to_pandas(integer_object_nulls=True, date_as_object=True)
    try:
        to_pandera(contract).validate(frame, lazy=True)
    except pa.errors.SchemaErrors as e:
        cases = e.failure_cases
        own = cases["schema_context"] == "Column"
        return {
            (column if alone else of_table(contract, check), check, int(index))
            for column, check, index, alone in zip(
                cases["column"], cases["check"], cases["index"], own, strict=True
            )
        }
    return set()


def of_table(contract: Contract, check: str) -> str:
    return ", ".join(contract.unique[0]) if check == "unique" else ""


@settings(deadline=None, max_examples=40)
@given(tables())
def test_scan_and_pandera_say_the_same(made: tuple[arrow.Table, Contract]) -> None:
    table, contract = made
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "t.parquet"
        pq.write_table(table, path)
        assert by_pandera(table, contract) == by_scan(path, contract)


def test_a_nan_that_the_file_s_statistics_do_not_count_is_a_null(tmp_path: Path) -> None:
    table = arrow.table({"x": arrow.array([float("nan"), 1.0, 2.0, float("nan")])})
    contract = Contract.model_validate({"columns": {"x": {"type": "float", "nullable": False}}})
    pq.write_table(table, tmp_path / "t.parquet")
    found = by_scan(tmp_path / "t.parquet", contract)
    assert {row for _, _, row in found} == {0, 3}
    assert by_pandera(table, contract) == found
