"""A contract as an Avro record, as a schema registry takes it."""

from __future__ import annotations

import re
from typing import Any

from mlops_cli._json import pretty_json
from mlops_cli.contracts.model import ColumnContract, Contract
from mlops_cli.errors import UsageError
from mlops_cli.exports.base import Rendered
from mlops_cli.exports.contracts.untold import untold
from mlops_cli.expressions.tree import ValueType

_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_TYPES: dict[ValueType, str | dict[str, str]] = {
    "boolean": "boolean",
    "integer": "long",
    "float": "double",
    "text": "string",
    "date": {"type": "int", "logicalType": "date"},
    "timestamp": {"type": "long", "logicalType": "timestamp-micros"},
}


def render(name: str, contract: Contract) -> Rendered:
    """See `exports.contracts.contract_files_of`: one file, `NAME.avsc`."""
    for column in contract.columns:
        if not _NAME.fullmatch(column):
            raise UsageError(
                f"the column {column!r} cannot be named in Avro: letters, digits and _ only",
                hint="rename it in the table, or take another form",
            )
    record: dict[str, Any] = {
        "type": "record",
        "name": re.sub(r"\W|^(?=\d)", "_", name, flags=re.ASCII),
        "fields": [_field(n, c) for n, c in contract.columns.items()],
    }
    return Rendered({f"{name}.avsc": pretty_json(record)}, untold(contract, values=True))


def _field(name: str, column: ColumnContract) -> dict[str, Any]:
    kind = _TYPES[column.type]
    if not column.nullable:
        return {"name": name, "type": kind}
    return {"name": name, "type": ["null", kind], "default": None}
