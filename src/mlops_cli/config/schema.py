"""The published JSON Schema of `mlops.yaml`."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from pydantic.json_schema import GenerateJsonSchema

from mlops_cli.config.model import Config
from mlops_cli.config.sections.base import format_duration

SCHEMA = "https://json-schema.org/draft/2020-12/schema"


class _AsWritten(GenerateJsonSchema):
    """Defaults as `mlops.yaml` may hold them: pydantic's own form of a duration is ISO 8601."""

    def encode_default(self, dft: Any) -> Any:
        return format_duration(dft) if isinstance(dft, timedelta) else super().encode_default(dft)


def config_schema() -> dict[str, Any]:
    """The JSON Schema of `mlops.yaml`, as it stands in docs/schemas/mlops.schema.json."""
    schema = Config.model_json_schema(by_alias=True, schema_generator=_AsWritten)
    return {"$schema": SCHEMA, **schema, "title": "mlops.yaml"}
