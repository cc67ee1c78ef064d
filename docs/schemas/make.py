"""Write the published schemas anew from the code: `python docs/schemas/make.py`."""

from __future__ import annotations

import json
from pathlib import Path

from mlops_cli.bundle.schema import manifest_schema, profile_schema
from mlops_cli.config.schema import config_schema
from mlops_cli.contracts.model import contract_schema

HERE = Path(__file__).resolve().parent
SCHEMAS = {
    "mlops.schema.json": config_schema,
    "contract.schema.json": contract_schema,
    "manifest.schema.json": manifest_schema,
    "profile.schema.json": profile_schema,
}


def as_text(schema: object) -> str:
    """A schema as it stands in its file."""
    return json.dumps(schema, indent=2, ensure_ascii=False) + "\n"


if __name__ == "__main__":
    for name, make in SCHEMAS.items():
        (HERE / name).write_text(as_text(make()), encoding="utf-8")
