"""The published JSON Schema of `mlops.yaml`."""

from __future__ import annotations

from typing import Any

from mlops_cli.config.model import Config

SCHEMA = "https://json-schema.org/draft/2020-12/schema"


def config_schema() -> dict[str, Any]:
    """The JSON Schema of `mlops.yaml`, as it stands in docs/schemas/mlops.schema.json."""
    schema = Config.model_json_schema(by_alias=True)
    return {"$schema": SCHEMA, **schema, "title": "mlops.yaml"}
