"""The first contract of a file: strict about types, generous about values."""

from __future__ import annotations

import tempfile
from datetime import datetime, timedelta
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mlops_cli.contracts.infer import infer_contract
from mlops_cli.contracts.model import Contract
from mlops_cli.contracts.scan import scan
from mlops_cli.errors import DataError
from mlops_cli.tables import open_engine

DAYS = [datetime(2013, 1, 1) + timedelta(hours=i) for i in range(2000)]


def inferred(path: Path, *, times: tuple[str, ...] = ()) -> Contract:
    with open_engine() as engine:
        contract, _ = infer_contract(engine, path, times=times)
        assert scan(engine, path, contract, table="t").violations == ()
    return contract


@pytest.fixture
def sales(tmp_path: Path) -> Path:
    n = 2000
    table = pa.table(
        {
            "id": list(range(5000, 5000 + n)),
            "code": [f"c{i}" for i in range(n)],
            "count": pa.array([None if i % 50 == 0 else float(i % 7 + 1) for i in range(n)]),
            "celsius": [0.5 + (i % 300) / 10 for i in range(n)],
            "balance": [float(i % 100 - 50) for i in range(n)],
            "odd": [float("inf") if i == 3 else i / 7 for i in range(n)],
            "year": [2013] * n,
            "kind": [["red", "green"][i % 2] for i in range(n)],
            "rare": ["x" if i == 9 else "y" for i in range(n)],
            "made": [d.isoformat() + "Z" for d in DAYS],
            "day": [d.date().isoformat() for d in DAYS],
            "mixed": [d.isoformat() if i < 1500 else "later" for i, d in enumerate(DAYS)],
            "nothing": pa.array([None] * n, type=pa.float64()),
        }
    )
    path = tmp_path / "sales.parquet"
    pq.write_table(table, path)
    return path


def test_types_are_found(sales: Path) -> None:
    types = inferred(sales).types
    assert types["made"] == "timestamp"
    assert types["day"] == "date"
    assert types["mixed"] == "text"  # its first thousand values look like moments
    assert types["nothing"] == "float"


def test_ranges_leave_room_for_next_month(sales: Path) -> None:
    columns = inferred(sales).columns
    assert columns["count"].min == 0
    assert columns["count"].max == 70
    assert columns["count"].nullable
    assert columns["celsius"].min == -300  # one summer is no reason to refuse the frost
    assert (columns["balance"].min, columns["balance"].max) == (-500, 500)
    assert columns["odd"].max is None
    assert columns["odd"].min == 0
    assert columns["odd"].nullable  # JSON has no infinity
    assert (columns["year"].min, columns["year"].max) == (None, None)


@pytest.mark.parametrize(
    ("name", "values", "ends"),
    [
        ("Month", [6, 7, 8], (1, 12)),
        ("month", [0, 5, 11], (0, 200)),  # they count from zero
        ("day", [1, 17, 29], (0, 300)),  # without a month it may count on
        ("hour", [5.0, 23.0], (0, 23)),
        ("year", [2013, 2014], (1900, 2100)),
        ("year_of_birth", [1948, 2003], (1900, 2100)),
        ("hours", [1, 9], (0, 90)),
        ("lon", [-73.9, -73.7], (-180, 180)),
        ("humid", [12.74, 99.1], (0, 100)),
        ("off_pct", [0.0, 0.4], (0, 4)),  # of one, it seems
        ("growth percent", [-3.0, 40.0], (-400, 400)),
        ("paid_share", [0.1, 0.4], (0, 1)),
        ("millibar", [983.8, 1042.1], (0, 3000)),
        ("odometer", [50_000, 51_000], (0, 200_000)),
        ("delay", [-43.0, 1301.0], (-20_000, 20_000)),
        ("depth", [-1042.1, -983.8], (-3000, 0)),
        ("tiny", [0.0011, 0.0013], (0, 0.004)),
        ("monthly_charge", [18.25, 118.75], (0, 2000)),
        ("mass", [2700.0, 6300.0], (0, 50_000)),
        ("Mean Temp", [15.5, 31.0], (-200, 200)),
        ("account_balance", [18.25, 118.75], (-1000, 2000)),
        ("amount", [0, 5317.25], (0, 60_000)),
        ("smoker", [0, 1, 1, 0] * 9, (0, 1)),
        ("gain", [0.0, 1.0, 0.0] * 9, (0, 1)),  # said by 0 and 1, whatever its name says
        ("claims", [0] * 40 + [1], (0, 10)),  # a second one may come
        ("age", [-999, 18, 81], (-999, 800)),
        ("price", [0.5, 12.75, 9999.0], (0, 9999)),
        ("temp", [-99, 0, 31], (-99, 400)),
    ],
)
def test_ranges_are_what_a_person_would_write(
    name: str, values: list[float], ends: tuple[float, float], tmp_path: Path
) -> None:
    path = tmp_path / "t.parquet"
    pq.write_table(pa.table({name: values * 9}), path)
    column = inferred(path).columns[name]
    assert (column.min, column.max) == ends


def test_a_day_beside_a_month_is_one_of_the_month_and_a_key_counts_on(tmp_path: Path) -> None:
    path = tmp_path / "t.parquet"
    n = 2000
    pq.write_table(pa.table({"month": [1, 2] * 1000, "day": [1, 9] * 1000, "id": range(n)}), path)
    columns = inferred(path).columns
    assert (columns["day"].min, columns["day"].max) == (1, 31)
    assert (columns["id"].min, columns["id"].max, columns["id"].unique) == (0, None, True)


@pytest.mark.parametrize("seed", range(8))
def test_ordinary_later_data_keep_the_range(seed: int) -> None:
    """Fifty times as many rows, a year on, of every usual shape."""
    rng = np.random.default_rng(seed)
    for name, draw in (
        ("celsius", lambda n, later: rng.normal(20 - 25 * later, 5, n)),  # summer, then winter
        ("pressure", lambda n, _: rng.normal(1015, 8, n)),
        ("amount", lambda n, later: rng.lognormal(3 + 0.3 * later, 1, n)),
        ("calls", lambda n, later: rng.poisson(2 + later, n)),
        ("x", lambda n, _: rng.standard_t(3, n)),
        ("odometer", lambda n, later: 50_000 + 40_000 * later + rng.integers(0, 2000, n)),
        ("y", lambda n, later: rng.gamma(2, 30 * (1 + later), n) - 10),
    ):
        first, later = draw(1000, 0), draw(50_000, 1)
        found = infer_range(name, first)
        assert found[0] is None or found[0] <= later.min(), found
        assert found[1] is None or later.max() <= found[1], found


def infer_range(name: str, values: np.ndarray) -> tuple[float | None, float | None]:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "t.parquet"
        pq.write_table(pa.table({name: values}), path)
        column = inferred(path).columns[name]
    return column.min, column.max  # type: ignore[return-value]  # numbers


def test_categories_and_keys_need_evidence(sales: Path) -> None:
    columns = inferred(sales).columns
    assert columns["kind"].categories == ("green", "red")
    assert columns["rare"].categories is None  # a value seen once promises more unseen ones
    assert columns["code"].unique
    assert columns["id"].unique
    assert not columns["kind"].unique


def test_a_csv_whose_dates_are_not_iso_has_their_format(tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    path.write_text("d,n\n" + "".join(f"{i % 12 + 1:02}/25/2013,{i}\n" for i in range(40)))
    contract = inferred(path)
    assert contract.types == {"d": "date", "n": "integer"}
    assert contract.columns["d"].format == "%m/%d/%Y"


def test_a_named_time_has_to_be_one(sales: Path) -> None:
    assert inferred(sales, times=("made",)).types["made"] == "timestamp"
    assert inferred(sales, times=("day",)).types["day"] == "timestamp"
    with pytest.raises(DataError, match=r"'mixed'.*500 of its 2000"):
        inferred(sales, times=("mixed",))


@pytest.mark.parametrize("text", ["", "a,b\n"])
def test_a_file_without_rows_is_refused(tmp_path: Path, text: str) -> None:
    path = tmp_path / "t.csv"
    path.write_text(text)
    with pytest.raises(DataError, match=r"no rows|no columns"):
        inferred(path)


cells = st.one_of(
    st.lists(st.one_of(st.none(), st.floats()), min_size=1, max_size=30),
    st.lists(st.one_of(st.none(), st.integers(-(2**63), 2**63 - 1)), min_size=1, max_size=30),
    st.lists(st.one_of(st.none(), st.sampled_from(["a", "b", "", "1"])), min_size=1, max_size=30),
)


@settings(deadline=None, max_examples=40)
@given(cells)
def test_a_file_keeps_the_contract_inferred_from_it(values: list[object]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "t.parquet"
        pq.write_table(pa.table({"x": pa.array(values), "n": list(range(len(values)))}), path)
        inferred(path)
