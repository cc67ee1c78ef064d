"""Rules that take the whole table: keys of others, rows by window, outliers, shifts, queries."""

from __future__ import annotations

import json
import random
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import msgspec
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from ruamel.yaml import YAML

from command_line import Mlops
from mlops_cli.config.load import load_project
from mlops_cli.contracts.findings import BadRow, Violation
from mlops_cli.errors import DataError, UsageError
from mlops_cli.stages.validate import validate

DAY = datetime(2024, 1, 1)
COLUMNS: dict[str, Any] = {
    "id": {"type": "integer"},
    "shop": {"type": "text", "nullable": True, "categories": ["a", "b", "z"]},
    "at": {"type": "timestamp"},
    "price": {"type": "float", "nullable": True},
    "y": {"type": "integer"},
}
ROWS = 2000


def _sales(seed: int, *, shift: float = 0.0) -> dict[str, list[Any]]:
    made = random.Random(seed)
    return {
        "id": list(range(ROWS)),
        "shop": [made.choice(["a", "b", None]) for _ in range(ROWS)],
        "at": [DAY + timedelta(minutes=7 * i) for i in range(ROWS)],
        "price": [made.gauss(100 + shift, 10) for _ in range(ROWS)],
        "y": [made.randrange(2) for _ in range(ROWS)],
    }


@pytest.fixture
def root(tmp_path: Path) -> Path:
    text = "project: p\ntask: binary\ndata: {table: sales.parquet, target: y, time: at}\n"
    (tmp_path / "mlops.yaml").write_text(f"{text}validate: {{tables: [shops.parquet]}}\n")
    pq.write_table(pa.table({"code": ["a", "b"], "size": [1, 2]}), tmp_path / "shops.parquet")
    shops = {"code": {"type": "text"}, "size": {"type": "integer"}}
    _contract(tmp_path, "shops", {"columns": shops})
    _write(tmp_path, _sales(1))
    return tmp_path


def _write(root: Path, columns: dict[str, list[Any]]) -> None:
    pq.write_table(pa.table(columns), root / "sales.parquet")


def _contract(root: Path, name: str, content: dict[str, Any]) -> None:
    (root / "contracts").mkdir(exist_ok=True)
    with (root / f"contracts/{name}.yaml").open("w") as file:
        YAML().dump(content, file)


def _asked(root: Path, *, columns: dict[str, Any] | None = None, **keys: Any) -> None:
    _contract(root, "sales", {"columns": COLUMNS | (columns or {}), **keys})


def _told(root: Path) -> dict[str, Violation]:
    """What `validate` finds of the sales, by rule, whatever it thinks of it."""
    file = root / "reports/validate.json"
    file.unlink(missing_ok=True)
    try:
        validate(load_project(root))
    except DataError:
        if not file.exists():
            raise
    report = msgspec.json.decode(file.read_bytes(), type=_Report)
    return {v.rule: v for v in report.tables[0].violations}


class _Table(msgspec.Struct):
    violations: list[Violation]


class _Report(msgspec.Struct):
    tables: list[_Table]


def _rejected(root: Path) -> list[tuple[int, str]]:
    rows = pq.read_table(root / "data/rejected.parquet").to_pylist()
    return [(row["row"], row["rule"]) for row in rows]


def _with(rows: dict[int, dict[str, Any]], sales: dict[str, list[Any]]) -> dict[str, list[Any]]:
    for row, values in rows.items():
        for column, value in values.items():
            sales[column][row] = value
    return sales


def test_a_value_that_no_row_of_the_other_table_has_is_a_bad_row(root: Path) -> None:
    _asked(root, foreign_keys=[{"columns": ["shop"], "table": "shops", "to": ["code"]}])
    assert not _told(root)
    _write(root, _with({7: {"shop": "z"}, 11: {"shop": "z"}}, _sales(1)))
    found = _told(root)["foreign_key"]
    assert (found.column, found.count) == ("shop", 2)
    assert found.first == (BadRow(7, "z"), BadRow(11, "z"))
    assert _rejected(root) == [(7, "foreign_key"), (11, "foreign_key")]


@pytest.mark.parametrize(
    ("key", "says"),
    [
        ({"columns": ["shop"], "table": "stores"}, "names the table 'stores'"),
        ({"columns": ["shop"], "table": "shops"}, "'shop', which shops does not have"),
        ({"columns": ["shop"], "table": "shops", "to": ["size"]}, "'shop' is text, and 'size'"),
    ],
)
def test_a_key_that_cannot_be_looked_up_is_refused(root: Path, key: object, says: str) -> None:
    _asked(root, foreign_keys=[key])
    with pytest.raises(UsageError, match=says):
        validate(load_project(root))


def test_a_row_that_breaks_a_key_and_a_range_is_one_bad_row(root: Path) -> None:
    key = {"columns": ["shop"], "table": "shops", "to": ["code"]}
    _asked(root, columns={"price": {"type": "float", "max": 500}}, foreign_keys=[key])
    _write(root, _with({7: {"shop": "z", "price": 900.0}}, _sales(1)))
    with pytest.raises(DataError):
        validate(load_project(root))
    report = json.loads((root / "reports/validate.json").read_text())
    assert (report["tables"][0]["bad_rows"], report["rejected"]) == (1, 1)
    assert sorted(_rejected(root)) == [(7, "foreign_key"), (7, "range")]


@pytest.mark.parametrize("by", ["iqr", "mad"])
def test_outliers_lie_far_outside_and_a_normal_column_has_none(root: Path, by: str) -> None:
    price = {"type": "float", "nullable": True, "outliers": {"by": by}}
    _asked(root, columns={"price": price})
    assert not _told(root)
    _write(root, _with({3: {"price": 1e6}, 4: {"price": None}, 5: {"price": -900.0}}, _sales(1)))
    found = _told(root)["outliers"]
    assert [row.row for row in found.first] == [3, 5]
    few = {"by": by, "max_share": 0.01}
    _asked(root, columns={"price": price | {"outliers": few}})
    assert not _told(root)


def test_a_column_without_spread_has_no_outliers(root: Path) -> None:
    _asked(root, columns={"price": {"type": "float", "outliers": {}}})
    _write(root, _sales(1) | {"price": [1.0] * (ROWS - 1) + [9.0]})
    assert not _told(root)


def test_days_that_lack_rows_or_have_too_many_are_told(root: Path) -> None:
    of_a_day = 24 * 60 // 7
    asked = {"column": "at", "window": "1d", "min": of_a_day, "max": of_a_day + 1}
    _asked(root, row_counts=[asked])
    assert not _told(root)
    sales = _sales(1)
    third, fourth = DAY + timedelta(days=2), DAY + timedelta(days=3)
    sales["at"] = [t if not third <= t < fourth else t + timedelta(days=1) for t in sales["at"]]
    _write(root, sales)
    found = _told(root)["row_counts"]
    assert found.count == 0
    assert [row.value for row in found.first] == [
        "2024-01-03 00:00:00: 0 rows",
        f"2024-01-04 00:00:00: {sum(fourth <= t < fourth + timedelta(days=1) for t in sales['at'])}"
        " rows",
    ]


def test_a_shift_since_the_published_version_is_told_and_chance_is_not(
    root: Path, mlops: Mlops
) -> None:
    _asked(root, distribution={"columns": ["price", "shop"]})
    assert not _told(root)  # nothing to hold it to
    mlops(root, "contract", "publish", code=0)
    version = YAML().load((root / "contracts/published/sales/1.yaml").read_text())
    assert set(version["profile"]) == {"price", "shop"}
    assert min(version["profile"]["price"]["counts"]) >= 100
    for seed in range(2, 12):
        _write(root, _sales(seed))
        assert not _told(root)
    _write(root, _sales(2, shift=10))
    found = _told(root)["distribution"]
    assert found.column == "price"
    _write(root, _sales(2) | {"shop": ["a"] * ROWS})
    assert _told(root)["distribution"].column == "shop"
    mlops(root, "contract", "publish", code=0)  # a profile alone is no new version
    assert not (root / "contracts/published/sales/2.yaml").exists()


def test_a_query_names_its_bad_rows_or_only_their_number(root: Path) -> None:
    twice = "select * from sales where id in (select id from sales group by id having count(*) > 1)"
    few = "select shop from sales where shop is not null group by shop having count(*) < 10"
    _asked(root, queries=[{"name": "twice", "sql": f"{twice};"}, {"name": "few", "sql": few}])
    assert not _told(root)
    _write(root, _with({9: {"id": 8, "shop": "z"}}, _sales(1)))
    found = _told(root)
    assert (found["twice"].count, found["few"].count) == (2, 0)
    assert found["few"].first == (BadRow(0, "1 rows"),)
    assert _rejected(root) == [(8, "twice"), (9, "twice")]


@pytest.mark.parametrize(
    "sql",
    [
        "copy sales to 'out.csv'",
        "attach 'out.db'",
        "create table out as select 1",
        "select * from sales; copy (select 1) to 'out.csv'",
        "select * from read_text('mlops.yaml')",
        "from 'private.parquet'",
        "select * from glob('*')",
        "select * from query('copy (select 1) to $$out.csv$$')",
        "set enable_external_access = true",
        "install httpfs",
        "select * from other_table",
        "select * from (sales",
        "select 1) as x, read_text('mlops.yaml') as (y",
    ],
)
def test_a_query_that_writes_attaches_or_reads_elsewhere_is_refused(
    root: Path, sql: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(root)
    pq.write_table(pa.table({"salary": [1]}), root / "private.parquet")
    before = {path: path.read_bytes() for path in root.rglob("*") if path.is_file()}
    _asked(root, queries=[{"name": "mine", "sql": sql}])
    with pytest.raises(UsageError, match="the query 'mine' of the contract"):
        validate(load_project(root))
    assert not list(root.glob("out*"))
    assert all(path.read_bytes() == content for path, content in before.items())


@pytest.mark.parametrize(
    "expr",
    [
        "true); copy (select 1) to 'out.csv'; select (true",
        "true) from read_text('mlops.yaml') where (true",
        "exists (select 1 from read_text('mlops.yaml'))",
        "true) union select (true",
        "id > 0, id < 5",
    ],
)
def test_a_rule_that_is_more_than_a_condition_of_one_row_is_refused(
    root: Path, expr: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(root)
    _asked(root, rules=[{"name": "mine", "expr": expr}])
    with pytest.raises(UsageError, match="the rule 'mine' of the contract"):
        validate(load_project(root))
    assert not list(root.glob("out*"))
