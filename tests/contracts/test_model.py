"""A contract is checked when it is read, and every fault names file and key."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from mlops_cli.contracts.model import Contract, contract_schema, load_contract
from mlops_cli.contracts.write import contract_yaml
from mlops_cli.errors import UsageError

WHOLE = """\
columns:
  id: {type: integer, unique: true}
  price: {type: float, nullable: true, min: 0, max: 99.5}
  made: {type: timestamp, min: 2013-01-01, max: "2014-01-01T00:00:00"}
  kind: {type: text, categories: [a, "1", "no"]}
  code: {type: text, pattern: "[A-Z]{2}\\\\d+"}
unique: [[kind, made]]
rules: [{name: cheap, expr: "price < 50 or kind = 'a'"}]
freshness: {column: made, max_age: 2d, as_of: 2014-01-01}
extra_columns: refuse
"""


def write(folder: Path, text: str) -> Path:
    path = folder / "contracts" / "sales.yaml"
    path.parent.mkdir(exist_ok=True)
    path.write_text(text, encoding="utf-8")
    return path


def test_a_contract_survives_being_written(tmp_path: Path) -> None:
    contract = load_contract(write(tmp_path, WHOLE))
    text = contract_yaml(contract, table="data/raw/sales.csv", notes={"price": "in euro"})
    assert load_contract(write(tmp_path, text)) == contract
    assert "# in euro" in text
    columns = [line for line in text.splitlines() if line.startswith("  ") and "type:" in line]
    assert len(columns) == 5  # a line a column
    assert contract.types == {
        "id": "integer",
        "price": "float",
        "made": "timestamp",
        "kind": "text",
        "code": "text",
    }


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        ("nullable: true", "nulable: true", "columns.price.nulable.*nearest.*nullable"),
        ("extra_columns", "extra_colums", "extra_colums.*extra_columns"),
        ("expr:", "exp:", "rules"),
        ("max_age: 2d", "max_age: soon", "freshness.max_age.*duration"),
        ("type: integer", "type: int", "columns.id.type"),
        ("min: 0, max: 99.5", "min: 100, max: 99.5", "min 100 is above max"),
        ("min: 2013-01-01", "min: 7", "columns.made.*ISO 8601"),
        ("categories: [a", "categories: [5", "categor"),
        ("[A-Z]{2}", "(?=x)", "looks ahead"),
        ("[A-Z]{2}", "[A-Z", "regular expression"),
        ("[A-Z]{2}", "[[a-z]", "regular expression"),
        ("[A-Z]{2}", "[x[:digit:]]", "names a class"),
        ("unique: [[kind, made]]", "unique: [[kind, mad]]", "'mad'.*nearest is 'made'"),
        ("column: made", "column: price", "date or timestamp"),
        ("{type: integer, unique: true}", "{type: boolean, min: 0}", "boolean.*no min"),
    ],
)
def test_a_fault_names_file_and_key(tmp_path: Path, old: str, new: str, says: str) -> None:
    assert old in WHOLE
    with pytest.raises(UsageError, match=f"(?s)^contracts/sales.yaml: .*{says}") as e:
        load_contract(write(tmp_path, WHOLE.replace(old, new)))
    assert e.value.hint


@pytest.mark.parametrize("text", ["", "- 1\n", "columns: {}\n", "columns:\n  a: 1\n"])
def test_what_is_no_contract_is_refused(tmp_path: Path, text: str) -> None:
    with pytest.raises(UsageError, match=r"contracts/sales.yaml"):
        load_contract(write(tmp_path, text))


def test_the_published_schema_is_the_model() -> None:
    published = Path(__file__).parents[2] / "docs" / "schemas" / "contract.schema.json"
    assert json.loads(published.read_text(encoding="utf-8")) == contract_schema()


def test_a_contract_is_frozen() -> None:
    contract = Contract.model_validate({"columns": {"a": {"type": "text"}}})
    with pytest.raises(ValueError, match="frozen"):
        contract.extra_columns = "refuse"
