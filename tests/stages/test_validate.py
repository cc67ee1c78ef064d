"""The stage validate: every table against its contract, and what becomes of bad rows."""

from __future__ import annotations

import json
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from mlops_cli.config.load import load_project
from mlops_cli.config.project import Project
from mlops_cli.contracts.missing import write_missing_contracts
from mlops_cli.errors import DataError, UsageError
from mlops_cli.stages.validate import validate

HOURS = [(datetime(2013, 1, 1) + timedelta(hours=i)).isoformat() for i in range(200)]
CONFIG = """\
project: shop
task: binary
data: {table: data/raw/sales.parquet, target: "dear = price > 5", time: made}
validate: {on_bad_rows: MODE, max_bad_share: 0.02}
features:
  columns: [kind]
  join: [{table: data/raw/weather.csv, on: [kind], asof: at, columns: [temp]}]
"""


def make(root: Path, *, mode: str = "fail", **columns: list[object]) -> Project:
    cells = {
        "made": HOURS,
        "price": [i % 10 for i in range(200)],
        "kind": ["red", "green"] * 100,
    }
    (root / "data" / "raw").mkdir(parents=True, exist_ok=True)
    pq.write_table(pa.table({**cells, **columns}), root / "data/raw/sales.parquet")
    lines = [f"{'red' if i % 2 else 'green'},{h},{i % 30}" for i, h in enumerate(HOURS)]
    (root / "data/raw/weather.csv").write_text("\n".join(["kind,at,temp", *lines]) + "\n")
    (root / "mlops.yaml").write_text(CONFIG.replace("MODE", mode))
    return load_project(root)


def spoiled(root: Path, mode: str, n: int = 2) -> Project:
    """A project whose contracts were written before `n` prices went wrong."""
    write_missing_contracts(make(root))
    prices: list[object] = [i % 10 for i in range(200)]
    prices[7 : 7 + n] = [-9999] * n
    return make(root, mode=mode, price=prices)


def rejected(project: Project) -> list[dict[str, object]]:
    rows: list[dict[str, object]] = pq.read_table(
        project.root / "data/rejected.parquet"
    ).to_pylist()
    return rows


def report(project: Project) -> dict[str, Any]:
    loaded: dict[str, Any] = json.loads((project.root / "reports/validate.json").read_text())
    return loaded


def test_good_tables_pass_and_the_report_is_the_same_twice(tmp_path: Path) -> None:
    project = make(tmp_path)
    written = write_missing_contracts(project)
    assert [p.name for p in written] == ["sales.yaml", "weather.yaml"]
    assert write_missing_contracts(project) == []
    result = validate(project)
    assert result.passed
    assert [t.rows for t in result.tables] == [200, 200]
    assert rejected(project) == []
    first = (tmp_path / "reports/validate.json").read_bytes()
    parquet = (tmp_path / "data/rejected.parquet").read_bytes()
    validate(project)
    assert (tmp_path / "reports/validate.json").read_bytes() == first
    assert (tmp_path / "data/rejected.parquet").read_bytes() == parquet


def test_fail_names_column_rule_count_and_rows(tmp_path: Path) -> None:
    project = spoiled(tmp_path, "fail")
    with pytest.raises(DataError, match=r"'price' breaks range .* in 2 rows, such as row 7") as e:
        validate(project)
    assert e.value.exit_code == 3
    assert report(project)["passed"] is False
    assert [(r["row"], r["column"], r["value"]) for r in rejected(project)] == [
        (7, "price", "-9999"),
        (8, "price", "-9999"),
    ]


def test_quarantine_lists_the_rows_and_goes_on(tmp_path: Path) -> None:
    project = spoiled(tmp_path, "quarantine")
    result = validate(project)
    assert result.passed
    assert result.rejected == 2
    assert rejected(project)[0] == {
        "table": "data/raw/sales.parquet",
        "row": 7,
        "column": "price",
        "rule": "range",
        "value": "-9999",
    }


def test_quarantine_has_a_limit(tmp_path: Path) -> None:
    project = spoiled(tmp_path, "quarantine", n=5)
    with pytest.raises(DataError, match=r"5 of 200 rows \(2.50%\).*max_bad_share 0.02"):
        validate(project)
    assert len(rejected(project)) == 5


def test_warn_lets_bad_rows_in(tmp_path: Path) -> None:
    project = spoiled(tmp_path, "warn")
    result = validate(project)
    assert result.passed
    assert result.tables[0].bad_rows == 2
    assert rejected(project) == []


@pytest.mark.parametrize("mode", ["fail", "quarantine", "warn"])
def test_a_missing_column_is_never_forgiven(tmp_path: Path, mode: str) -> None:
    write_missing_contracts(make(tmp_path))
    project = make(tmp_path, mode=mode)
    path = tmp_path / "data/raw/sales.parquet"
    pq.write_table(pq.read_table(path).drop_columns(["kind"]), path)
    with pytest.raises(DataError, match="'kind' is missing"):
        validate(project)
    assert report(project)["passed"] is False


def test_rows_without_a_time_are_left_out_even_where_the_contract_allows_them(
    tmp_path: Path,
) -> None:
    hours: list[object] = [None, *HOURS[1:]]
    project = make(tmp_path, mode="warn", made=hours)
    write_missing_contracts(project)
    result = validate(project)
    assert result.tables[0].violations == ()
    assert [(r["row"], r["rule"]) for r in rejected(project)] == [(0, "time")]


def test_a_joined_table_without_contract_says_what_to_do(tmp_path: Path) -> None:
    project = make(tmp_path)
    write_missing_contracts(project)
    (tmp_path / "contracts/weather.yaml").unlink()
    with pytest.raises(UsageError, match=r"contracts/weather\.yaml does not exist") as e:
        validate(project)
    assert "mlops run" in str(e.value.hint)


def add(project: Project, text: str) -> None:
    path = project.root / "contracts/sales.yaml"
    path.write_text(path.read_text() + text)


def test_rules_across_columns_and_uniqueness(tmp_path: Path) -> None:
    project = make(tmp_path, mode="quarantine")
    write_missing_contracts(project)
    add(project, "rules: [{name: cheap red, expr: \"kind <> 'red' or price < 8\"}]\n")
    with pytest.raises(DataError, match=r"the table breaks cheap red .* in 20 rows"):
        validate(project)
    add(project, "unique: [[kind, price]]\n")
    with pytest.raises(DataError, match=r"'kind, price' breaks unique"):
        validate(project)
    assert report(project)["tables"][0]["bad_rows"] == 191


@pytest.mark.parametrize("expr", ["price", "sum(price) > 3", "prize > 3", "price >"])
def test_a_rule_that_is_no_condition_is_refused(tmp_path: Path, expr: str) -> None:
    project = make(tmp_path)
    write_missing_contracts(project)
    add(project, f"rules: [{{name: odd, expr: {json.dumps(expr)}}}]\n")
    with pytest.raises(UsageError, match="rule 'odd'"):
        validate(project)


def test_freshness_is_relative_to_the_project_unless_now(tmp_path: Path) -> None:
    project = make(tmp_path)
    write_missing_contracts(project)
    add(project, "freshness: {column: made, max_age: 1d}\n")
    assert validate(project).passed  # it is the newest of the project
    written = (tmp_path / "reports/validate.json").read_bytes()
    with pytest.raises(DataError, match=r"'made' ends at 2013-01-09 07:00:00"):
        validate(project, now=True)
    assert (tmp_path / "reports/validate.json").read_bytes() == written
    declared = (tmp_path / "contracts/sales.yaml").read_text()
    (tmp_path / "contracts/sales.yaml").write_text(
        declared.replace("max_age: 1d", "max_age: 1d, as_of: 2013-01-20")
    )
    with pytest.raises(DataError, match=r"at most 1d before 2013-01-20"):
        validate(project)


def test_only_declared_sections_are_read(tmp_path: Path) -> None:
    project = make(tmp_path)
    write_missing_contracts(project)

    class Guarded:
        def __init__(self, config: object) -> None:
            self._config = config

        def __getattr__(self, name: str) -> object:
            allowed = ("data", "validate_", "features", "contract", "engine")
            assert name in allowed, f"validate reads {name}"
            return getattr(self._config, name)

    guarded = Project(root=project.root, config=Guarded(project.config))  # type: ignore[arg-type]  # a spy
    assert validate(guarded).passed
