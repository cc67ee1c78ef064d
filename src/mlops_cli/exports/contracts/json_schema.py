"""A contract as the JSON Schema (2020-12) of one row."""

from __future__ import annotations

from typing import Any

from mlops_cli._json import pretty_json
from mlops_cli.contracts.model import ColumnContract, Contract
from mlops_cli.exports.base import Rendered
from mlops_cli.exports.contracts.untold import untold
from mlops_cli.expressions.tree import ValueType

_TYPES: dict[ValueType, dict[str, str]] = {
    "boolean": {"type": "boolean"},
    "integer": {"type": "integer"},
    "float": {"type": "number"},
    "text": {"type": "string"},
    "date": {"type": "string", "format": "date"},
    "timestamp": {"type": "string", "format": "date-time"},
}


def render(name: str, contract: Contract) -> Rendered:
    """See `exports.contracts.contract_files_of`: one file, `NAME.schema.json`."""
    schema: dict[str, Any] = {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": name,
        "type": "object",
        "properties": {n: _property(c) for n, c in contract.columns.items()},
        "required": [n for n, c in contract.columns.items() if not c.nullable],
        "additionalProperties": contract.extra_columns == "allow",
    }
    if contract.version is not None:
        schema["x-version"] = contract.version
    return Rendered(
        {f"{name}.schema.json": pretty_json(schema)}, untold(contract, bounds_of_times=True)
    )


def _property(column: ColumnContract) -> dict[str, Any]:
    found: dict[str, Any] = dict(_TYPES[column.type])
    if column.type in ("integer", "float"):
        bounds = {"minimum": column.min, "maximum": column.max}
        found |= {key: bound for key, bound in bounds.items() if bound is not None}
    if column.categories is not None:
        found["enum"] = [*column.categories, *([None] if column.nullable else [])]
    if column.pattern is not None:
        found["pattern"] = f"^(?:{column.pattern})$"
    if column.nullable:
        found["type"] = [found["type"], "null"]
    return found
