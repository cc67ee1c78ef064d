"""The command `features`: what the model sees, how each feature is made, and from which columns."""

from __future__ import annotations

import difflib
from dataclasses import dataclass
from typing import Literal

from mlops_cli.config.project import Project
from mlops_cli.errors import UsageError
from mlops_cli.features.base import load_schemas
from mlops_cli.features.layout import check_features
from mlops_cli.features.lineage import FeatureEntry, feature_entries, mermaid

Action = Literal["list", "show", "lineage"]


@dataclass(frozen=True, slots=True)
class FeaturesResult:
    """The features, in the model's order; `mermaid` is a flowchart of their lineage."""

    action: Action
    features: tuple[FeatureEntry, ...]
    mermaid: str | None = None


def describe_features(
    project: Project, action: Action = "list", name: str | None = None
) -> FeaturesResult:
    """The features of `mlops.yaml`, or the one of that name.

    Raises `UsageError` for a feature that does not exist, with the nearest one, and as `featurize`
    does for a configuration that makes none.
    """
    schemas = load_schemas(project)
    layout = check_features(project.config, schemas)
    found = feature_entries(project.config, layout, schemas)
    if action == "show" and name is None:
        raise UsageError("which feature?", hint="mlops features show NAME")
    if name is not None:
        found = [_named(found, name)]
    return FeaturesResult(action, tuple(found), mermaid(found) if action == "lineage" else None)


def _named(entries: list[FeatureEntry], name: str) -> FeatureEntry:
    known = {entry.name: entry for entry in entries}
    if name not in known:
        near = difflib.get_close_matches(name, known, n=1, cutoff=0.4)
        hint = f"did you mean {near[0]!r}?" if near else "`mlops features list` lists them"
        raise UsageError(f"there is no feature {name!r}", hint=hint)
    return known[name]
