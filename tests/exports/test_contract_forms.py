"""A contract in the form of other tools, each held to the tool itself: bad rows are refused."""

from __future__ import annotations

import json
import os
import subprocess
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import duckdb
import jsonschema
import pandas as pd
import pyarrow as pa
import pytest
from pandera.errors import SchemaError, SchemaErrors
from pandera.io.pandas_io import from_yaml
from ruamel.yaml import YAML

from mlops_cli.contracts.model import Contract
from mlops_cli.errors import UsageError
from mlops_cli.exports.base import write_files
from mlops_cli.exports.contracts import FORMS, contract_files_of
from mlops_cli.exports.contracts.table_queries import table_queries

CLIENTS = os.environ.get("MLOPS_CLIENTS")
beside = pytest.mark.skipif(
    CLIENTS is None, reason="MLOPS_CLIENTS names no folder with the tools: nox -s clients"
)
CONTRACT = Contract.model_validate(
    {
        "columns": {
            "id": {"type": "integer", "unique": True},
            "price": {"type": "float", "nullable": True, "min": 0, "max": 99.5},
            "kind": {"type": "text", "categories": ["a", "b"]},
            "size": {"type": "integer", "nullable": True, "categories": [1, 2]},
            "code": {"type": "text", "pattern": "[A-Z]{2}\\d+"},
            "made": {"type": "timestamp", "min": "2013-01-01"},
            "good": {"type": "boolean", "nullable": True},
        },
        "unique": [["kind", "made"]],
        "rules": [{"name": "a is cheap", "expr": "kind <> 'a' or price < 50"}],
        "owner": "ann",
        "version": 3,
    }
)
GOOD = {
    "id": [1, 2, 3],
    "price": [1.5, None, 99.5],
    "kind": ["a", "b", "b"],
    "size": [1, None, 2],
    "code": ["AB1", "CD22", "EF3"],
    "made": ["2013-01-01T00:00:00", "2014-05-05T10:00:00", "2015-01-01T00:00:00"],
    "good": [True, None, False],
}
BAD: dict[str, tuple[int, Any]] = {
    "id": (1, 1),
    "price": (0, -1.0),
    "kind": (2, "c"),
    "size": (0, 3),
    "code": (0, "xAB1"),
    "made": (0, "2012-12-31T00:00:00"),
}


def _frame(bad: str | None = None) -> pd.DataFrame:
    columns = {name: list(values) for name, values in GOOD.items()}
    if bad is not None:
        row, value = BAD[bad]
        columns[bad][row] = value
    frame = pd.DataFrame(columns)
    frame["made"] = pd.to_datetime(frame["made"])
    return frame.astype({"size": "Int64", "good": "boolean"})


def _written(tmp_path: Path, form: Any) -> Path:
    write_files(tmp_path / "out", contract_files_of("sales", CONTRACT, form).files)
    return tmp_path / "out"


def _run(package: str, code: str, folder: Path) -> str:
    python = f"{CLIENTS}/{package}/bin/python"
    done = subprocess.run([python, "-c", code], cwd=folder, text=True, capture_output=True)
    assert done.returncode == 0, done.stderr[-2000:]
    return done.stdout


def test_a_json_schema_takes_the_good_rows_alone(tmp_path: Path) -> None:
    schema = json.loads((_written(tmp_path, "json-schema") / "sales.schema.json").read_text())
    jsonschema.Draft202012Validator.check_schema(schema)
    valid = jsonschema.Draft202012Validator(schema).is_valid
    rows = [dict(zip(GOOD, row, strict=True)) for row in zip(*GOOD.values(), strict=True)]
    assert all(map(valid, rows))
    for name in ("price", "kind", "size", "code"):
        row, value = BAD[name]
        assert not valid(rows[row] | {name: value}), name
    assert not valid({name: value for name, value in rows[0].items() if name != "id"})
    assert valid({name: value for name, value in rows[0].items() if name != "price"})


@pytest.mark.parametrize("bad", [None, *BAD])
def test_pandera_reads_its_yaml_and_judges_by_it(tmp_path: Path, bad: str | None) -> None:
    schema = from_yaml((_written(tmp_path, "pandera") / "sales.pandera.yaml").read_text())
    if bad is None:
        assert len(schema.validate(_frame())) == 3
    else:
        with pytest.raises(SchemaError):
            schema.validate(_frame(bad))


def test_pandera_takes_the_first_row_of_a_key_for_good(tmp_path: Path) -> None:
    schema = from_yaml((_written(tmp_path, "pandera") / "sales.pandera.yaml").read_text())
    with pytest.raises(SchemaErrors) as told:
        schema.validate(pd.concat([_frame(), _frame().iloc[:1]], ignore_index=True), lazy=True)
    assert set(told.value.failure_cases["index"]) == {3}


def test_what_a_form_has_no_place_for_is_told() -> None:
    told = {form: " ".join(contract_files_of("sales", CONTRACT, form).remarks) for form in FORMS}
    assert "rules have no place there" in told["json-schema"]
    assert "min, max, categories and pattern" in told["avro"]
    assert "rules" in told["great-expectations"]
    assert told["odcs"] == told["dbt"] == ""


WHOLE = Contract.model_validate(
    {
        "columns": {
            "shop": {"type": "text", "nullable": True},
            "at": {"type": "timestamp"},
            "price": {"type": "float", "nullable": True, "outliers": {"max_share": 0.01}},
        },
        "foreign_keys": [{"columns": ["shop"], "table": "shops", "to": ["code"]}],
        "row_counts": [{"column": "at", "window": "1d", "min": 20, "max": 24}],
        "queries": [{"name": "free", "sql": "select * from sales where price <= 0;"}],
        "distribution": {"columns": ["price"]},
    }
)
HOURLY = [datetime(2024, 1, 1) + timedelta(hours=i) for i in range(24 * 5)]


@pytest.mark.parametrize(
    ("bad", "row", "value"),
    [
        (None, 0, None),
        ("foreign key shop", 3, {"shop": "z"}),
        ("row counts at", 30, {"at": HOURLY[0]}),
        ("outliers price", 4, {"price": 1e6}),
        ("free", 5, {"price": 0.0}),
    ],
)
def test_rules_of_the_whole_table_are_queries_that_find_what_is_bad(
    bad: str | None, row: int, value: Any
) -> None:
    columns: dict[str, list[Any]] = {
        "shop": ["a", "b", None, "a"] * 30,
        "at": list(HOURLY),
        "price": [float("nan"), *(float(10 + i % 7) for i in range(119))],
    }
    for name, cell in (value or {}).items():
        columns[name][row] = cell
        if bad == "outliers price":
            columns[name][row + 1] = cell
        if bad == "row counts at":
            columns[name][48:72] = [t + timedelta(days=1) for t in columns[name][48:72]]
    engine = duckdb.connect()
    engine.register("sales", pa.table(columns))
    engine.register("shops", pa.table({"code": ["a", "b"]}))
    queries = dict(table_queries("sales", WHOLE, table=lambda name: name))
    assert len(queries) == 4
    failing = {title for title, sql in queries.items() if engine.execute(sql).fetchall()}
    assert failing == ({bad} if bad else set())


def test_rules_of_the_whole_table_are_dbt_s_own_and_the_rest_is_told() -> None:
    dbt = contract_files_of("sales", WHOLE, "dbt")
    properties = YAML(typ="safe").load(dbt.files["models/sales.yml"])
    (shop, *_) = properties["models"][0]["columns"]
    key = {"to": "ref('shops')", "field": "code"}
    assert shop["data_tests"] == [{"relationships": {"arguments": key}}]
    assert sorted(f for f in dbt.files if "/sales_" in f) == [
        f"tests/sales_{t}.sql" for t in ("free", "outliers_price", "row_counts_at")
    ]
    odcs = YAML(typ="safe").load(contract_files_of("sales", WHOLE, "odcs").files["sales.odcs.yaml"])
    assert len(odcs["schema"][0]["quality"]) == 4
    told = {form: " ".join(contract_files_of("sales", WHOLE, form).remarks) for form in FORMS}
    assert all("distribution has no place there" in said for said in told.values())
    for form in ("json-schema", "avro", "pandera", "great-expectations"):
        assert "foreign_keys, row_counts, queries, outliers have no place there" in told[form]


def test_a_column_that_avro_cannot_name_is_refused() -> None:
    contract = Contract.model_validate({"columns": {"net price": {"type": "float"}}})
    with pytest.raises(UsageError, match="'net price' cannot be named in Avro"):
        contract_files_of("sales", contract, "avro")


@beside
def test_fastavro_writes_by_the_avro_record(tmp_path: Path) -> None:
    said = _run(
        "fastavro",
        "import fastavro, io, json, datetime as d\n"
        "s = fastavro.parse_schema(json.load(open('sales.avsc')))\n"
        "r = dict(id=1, price=None, kind='a', size=None, code='AB1', made=d.datetime(2013, 1, 1,"
        " tzinfo=d.UTC), good=None)\n"
        "f = io.BytesIO(); fastavro.writer(f, s, [r]); f.seek(0)\n"
        "assert list(fastavro.reader(f)) == [r]; print('same')",
        _written(tmp_path, "avro"),
    )
    assert said == "same\n"


@beside
def test_the_odcs_document_is_one(tmp_path: Path) -> None:
    said = _run(
        "open-data-contract-standard",
        "from open_data_contract_standard.model import OpenDataContractStandard as O\n"
        "o = O.from_file('sales.odcs.yaml')\n"
        "print(o.version, o.schema_[0].properties[0].unique, o.schema_[0].quality[0].name)",
        _written(tmp_path, "odcs"),
    )
    assert said == "3 True a is cheap\n"


@beside
def test_great_expectations_judges_by_its_suite(tmp_path: Path) -> None:
    folder = _written(tmp_path, "great-expectations")
    for name in (None, *BAD):
        _frame(name).to_parquet(folder / f"{name}.parquet")
    said = _run(
        "great_expectations",
        "import json, logging, pandas as pd, great_expectations as gx\n"
        "c = gx.get_context(mode='ephemeral')\n"
        "s = c.suites.add(gx.ExpectationSuite(**json.load(open('sales.json'))))\n"
        "a = c.data_sources.add_pandas('p').add_dataframe_asset('a')\n"
        "b = a.add_batch_definition_whole_dataframe('b')\n"
        f"for n in {[None, *BAD]!r}:\n"
        "    d = pd.read_parquet(f'{n}.parquet')\n"
        "    print(n, b.get_batch({'dataframe': d}).validate(s).success)",
        folder,
    )
    assert [line for line in said.splitlines() if line] == [
        "None True",
        *(f"{name} False" for name in BAD),
    ]


@beside
def test_dbt_runs_the_tests(tmp_path: Path) -> None:
    folder = _written(tmp_path, "dbt")
    (folder / "models/sales.sql").write_text("select * from read_parquet('rows.parquet')\n")
    (folder / "dbt_project.yml").write_text("name: x\nversion: 1.0.0\nprofile: x\n")
    profile = "x: {target: d, outputs: {d: {type: duckdb, path: x.duckdb}}}\n"
    (folder / "profiles.yml").write_text(profile)
    for name in (None, *BAD):
        _frame(name).to_parquet(folder / "rows.parquet")
        done = subprocess.run(
            [f"{CLIENTS}/dbt-duckdb/bin/dbt", "build", "--profiles-dir", "."],
            cwd=folder, text=True, capture_output=True,
            env=os.environ | {"DBT_SEND_ANONYMOUS_USAGE_STATS": "false"},
        )  # fmt: skip
        assert done.returncode == (0 if name is None else 1), done.stdout[-2000:]
        assert name is None or "FAIL 1" in done.stdout, done.stdout[-2000:]
