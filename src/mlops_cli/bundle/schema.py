"""The published JSON Schema of a bundle's manifest."""

from __future__ import annotations

from typing import Any

import msgspec

from mlops_cli.bundle.manifest import Manifest


def manifest_schema() -> dict[str, Any]:
    """The JSON Schema of `manifest.json`, as it stands in docs/schemas/manifest.schema.json."""
    (root,), definitions = msgspec.json.schema_components([Manifest], ref_template="#/$defs/{name}")
    dialect = "https://json-schema.org/draft/2020-12/schema"
    return {"$schema": dialect, "title": "manifest.json", **root, "$defs": definitions}
