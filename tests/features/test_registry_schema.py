"""The published JSON Schema of `features/registry.yaml` takes what the file takes."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from mlops_cli.config.document import read_yaml
from mlops_cli.errors import UsageError
from mlops_cli.features.registry import read_registry, registry_schema

PUBLISHED = Path(__file__).parents[2] / "docs/schemas/features.schema.json"


def test_the_published_schema_is_the_model() -> None:
    assert json.loads(PUBLISHED.read_text(encoding="utf-8")) == registry_schema()


@pytest.mark.parametrize(
    ("text", "holds"),
    [
        ("a: {version: 2, owner: ann, description: rain, approver: github:ann}", True),
        ("a:", True),
        ("a: {}", True),
        ("a: {version: 0}", False),
        ("a: {versoin: 1}", False),
        ("a: {owner: ''}", False),
        ("a: 1", False),
        ("[a]", False),
    ],
)
def test_schema_and_file_agree(tmp_path: Path, text: str, holds: bool) -> None:
    (tmp_path / "features").mkdir()
    file = tmp_path / "features/registry.yaml"
    file.write_text(text)
    content: Any = read_yaml(file)
    assert Draft202012Validator(registry_schema()).is_valid(content) == holds
    try:
        read_registry(tmp_path, ["a"])
    except UsageError:
        assert not holds
    else:
        assert holds
