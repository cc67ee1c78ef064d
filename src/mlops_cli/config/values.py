"""The resolved configuration as a list: each value, and where it comes from."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from mlops_cli.config.project import Project
from mlops_cli.redaction import redact_all


@dataclass(frozen=True, slots=True)
class Value:
    """One value by its dotted key; `source` is a file, `${VAR}` or `default`."""

    key: str
    value: Any
    source: str


@dataclass(frozen=True, slots=True)
class ConfigResult:
    """Where the project is, and every value of its configuration."""

    project: str
    values: list[Value]


def resolved(project: Project) -> ConfigResult:
    """Every value of the configuration, defaults included; secrets are taken out."""
    tree = project.config.model_dump(mode="json", by_alias=True)
    tree["split"]["by"] = project.config.split_by
    tree["train"]["metric"] = project.config.metric
    tree["validate"]["contract"] = project.config.contract
    values = [Value(k, redact_all(v), _source(project, k)) for k, v in _leaves(tree)]
    return ConfigResult(project=str(project.root), values=values)


def _leaves(tree: dict[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    for key, value in tree.items():
        dotted = f"{prefix}{key}"
        if isinstance(value, dict) and value:
            yield from _leaves(value, f"{dotted}.")
        else:
            yield dotted, value


def _source(project: Project, key: str) -> str:
    parts = key.split(".")
    for end in range(len(parts), 0, -1):
        if source := project.sources.get(".".join(parts[:end])):
            return source if end == len(parts) else "default"
    return "default"
