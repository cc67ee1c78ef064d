"""A contract as an Open Data Contract Standard (ODCS, 3.0) document."""

from __future__ import annotations

import io
from collections.abc import Iterator
from typing import Any

from ruamel.yaml import YAML

from mlops_cli.contracts.model import ColumnContract, Contract
from mlops_cli.exports.base import Rendered
from mlops_cli.exports.contracts.table_queries import Naming, table_queries
from mlops_cli.exports.contracts.untold import untold_of_whole
from mlops_cli.expressions.tree import ValueType

_VERSION = "v3.0.2"
_TYPES: dict[ValueType, str] = {
    "boolean": "boolean",
    "integer": "integer",
    "float": "number",
    "text": "string",
    "date": "date",
    "timestamp": "date",
}


def render(name: str, contract: Contract) -> Rendered:
    """See `exports.contracts.contract_files_of`: one file, `NAME.odcs.yaml`."""
    table: dict[str, Any] = {
        "name": name,
        "logicalType": "object",
        "physicalType": "table",
        "properties": [_property(n, c) for n, c in contract.columns.items()],
    }
    if quality := list(_quality(name, contract)):
        table["quality"] = quality
    document: dict[str, Any] = {
        "apiVersion": _VERSION,
        "kind": "DataContract",
        "id": name,
        "name": name,
        "version": str(contract.version or 0),
        "status": "active" if contract.version else "draft",
        "schema": [table],
    }
    if contract.owner:
        document["team"] = [{"username": contract.owner, "role": "owner"}]
    if contract.freshness:
        age = contract.freshness.max_age.total_seconds() / 86400
        document["slaDefaultElement"] = f"{name}.{contract.freshness.column}"
        document["slaProperties"] = [{"property": "latency", "value": age, "unit": "d"}]
    text = io.StringIO()
    YAML().dump(document, text)
    return Rendered({f"{name}.odcs.yaml": text.getvalue()}, untold_of_whole(contract, lacks=False))


def _property(name: str, column: ColumnContract) -> dict[str, Any]:
    found: dict[str, Any] = {
        "name": name,
        "logicalType": _TYPES[column.type],
        "physicalType": column.type,
        "required": not column.nullable,
    }
    if column.unique:
        found["unique"] = True
    options: dict[str, Any] = {}
    if column.min is not None:
        options["minimum"] = column.min
    if column.max is not None:
        options["maximum"] = column.max
    if column.pattern is not None:
        options["pattern"] = f"^(?:{column.pattern})$"
    if column.type == "timestamp":
        options["format"] = "yyyy-MM-dd'T'HH:mm:ss"
    if options:
        found["logicalTypeOptions"] = options
    if column.categories is not None:
        listed = [*column.categories]
        found["quality"] = [
            {"type": "library", "rule": "invalidCount", "mustBe": 0, "validValues": listed}
        ]
    return found


def _quality(name: str, contract: Contract) -> Iterator[dict[str, Any]]:
    for rule in contract.rules:
        query = f"select count(*) from {{object}} where not ({rule.expr})"
        yield {"type": "sql", "name": rule.name, "query": query, "mustBe": 0}
    for key in contract.unique:
        names = ", ".join(f'"{column}"' for column in key)
        yield {
            "type": "sql",
            "name": f"unique {', '.join(key)}",
            "query": f"select count(*) - count(distinct ({names})) from {{object}}",
            "mustBe": 0,
        }
    for title, bad in table_queries(name, contract, table=_named(name)):
        yield {
            "type": "sql",
            "name": title,
            "query": f"select count(*) from (\n{bad}\n)",
            "mustBe": 0,
        }


def _named(name: str) -> Naming:
    """ODCS puts the table in the place of `{object}`; others stand by their names."""
    return lambda table: "{object}" if table == name else f'"{table}"'
