"""The published JSON Schemas of a bundle's manifest and profile."""

from __future__ import annotations

from typing import Any

import msgspec

from mlops_cli.bundle.manifest import Manifest
from mlops_cli.bundle.profile import Profile


def manifest_schema() -> dict[str, Any]:
    """The JSON Schema of `manifest.json`, as it stands in docs/schemas/manifest.schema.json."""
    return _schema(Manifest, "manifest.json")


def profile_schema() -> dict[str, Any]:
    """The JSON Schema of `profile.json`, as it stands in docs/schemas/profile.schema.json."""
    return _schema(Profile, "profile.json")


def _schema(kind: type[msgspec.Struct], title: str) -> dict[str, Any]:
    (root,), definitions = msgspec.json.schema_components([kind], ref_template="#/$defs/{name}")
    dialect = "https://json-schema.org/draft/2020-12/schema"
    return {"$schema": dialect, "title": title, **root, "$defs": definitions}
