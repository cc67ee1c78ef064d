"""The command `features`: what the model sees, how it is made, whose it is, and who uses it."""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any, Literal

from mlops_cli._files import write_text
from mlops_cli.actions.approve import identity
from mlops_cli.audit.log import every_entry, known_entries
from mlops_cli.audit.record import record
from mlops_cli.config.paths import FEATURE_REGISTRY as REGISTRY
from mlops_cli.config.paths import FEATURES_PAGE, FEATURES_TABLE
from mlops_cli.config.project import Project
from mlops_cli.errors import ApprovalError, UsageError
from mlops_cli.features.base import load_schemas
from mlops_cli.features.layout import check_features
from mlops_cli.features.lineage import FeatureEntry, feature_entries, mermaid
from mlops_cli.features.openlineage import openlineage
from mlops_cli.governance.features import (
    FeatureState,
    Registered,
    approval,
    feature_states,
    publications,
    refuse_changed,
    registered_features,
    users_of,
)
from mlops_cli.reports.features import features_page
from mlops_cli.tracking import open_tracker

Action = Literal["list", "show", "lineage", "page", "publish", "approve"]


@dataclass(frozen=True, slots=True)
class UsedBy:
    """A model (12 digits) that was made with a version of a feature."""

    model: str
    version: int


@dataclass(frozen=True, slots=True)
class FeaturesResult:
    """The features, in the model's order; `mermaid` is a flowchart of their lineage.

    `registry` has those that `features/registry.yaml` names; `used_by` the models that were made
    with each of them, by its name, of `show` and `page`. `openlineage` is an event of that form,
    `published` names what the log has since, `file` is what was written.
    """

    action: Action
    features: tuple[FeatureEntry, ...]
    mermaid: str | None = None
    registry: tuple[FeatureState, ...] = ()
    used_by: Mapping[str, tuple[UsedBy, ...]] = field(default_factory=dict)
    openlineage: dict[str, Any] | None = None
    published: tuple[str, ...] = ()
    file: str | None = None


def describe_features(
    project: Project,
    action: Action = "list",
    name: str | None = None,
    *,
    reason: str | None = None,
) -> FeaturesResult:
    """The features of `mlops.yaml`, or the one of that name; `publish` and `approve` record.

    Those that `features/registry.yaml` names have versions: `publish` writes into the audit log
    what each means, `approve` that git's identity approves the version of one, for a `reason`;
    `page` writes a page. Raises `UsageError` for a feature that does not exist, with the nearest
    one, and as `featurize` does for a configuration that makes none; `GateError` where a feature
    means something else than its version did, `ApprovalError` where somebody else has to approve.
    """
    schemas = load_schemas(project)
    layout = check_features(project.config, schemas, project.root)
    every = feature_entries(project.config, layout, schemas)
    if action in ("show", "approve") and name is None:
        raise UsageError("which feature?", hint=f"mlops features {action} NAME")
    found = every if name is None else [_named(every, name)]
    registered = registered_features(project)
    published: tuple[str, ...] = ()
    if action in ("publish", "approve"):
        published = _record(project, registered, name if action == "approve" else None, reason)
    entries = known_entries(project.root)
    if registered and action != "list":
        refuse_changed(entries, registered)
    told = {e.name for e in found}
    states = feature_states(project, entries, [one for one in registered if one.name in told])
    result = FeaturesResult(action, tuple(found), registry=tuple(states), published=published)
    if action == "lineage":
        event = openlineage(project.config.project, FEATURES_TABLE, found, datetime.now(UTC))
        return replace(result, mermaid=mermaid(found), openlineage=event)
    if action in ("show", "page") and states:
        result = replace(result, used_by=_users(project))
    return _page(project, result) if action == "page" else result


def _users(project: Project) -> dict[str, tuple[UsedBy, ...]]:
    users = users_of(open_tracker(project).versions())
    return {name: tuple(UsedBy(*one) for one in models) for name, models in users.items()}


def _page(project: Project, result: FeaturesResult) -> FeaturesResult:
    states = {state.name: state for state in result.registry}
    users = {
        n: [f"{u.model} (version {u.version})" for u in of] for n, of in result.used_by.items()
    }
    write_text(
        project.root / FEATURES_PAGE,
        features_page(project.config.project, result.features, states, users),
    )
    return replace(result, file=FEATURES_PAGE)


def _record(
    project: Project, registered: list[Registered], approved: str | None, reason: str | None
) -> tuple[str, ...]:
    """Publish what is not published, and approve the feature of that name; what the log has new."""
    if not registered:
        raise UsageError(
            f"{REGISTRY} names no feature, so that none has a version",
            hint="write it: NAME: {version: 1, owner: TEAM, description: ...}",
        )
    tracker = open_tracker(project)
    entries = every_entry(project.root, tracker)
    refuse_changed(entries, registered)
    made = []
    for one, draft in publications(entries, registered):
        record(project, draft, copies=tracker)
        made.append(f"{one.name} {one.said.version}")
    if approved is None:
        return tuple(made)
    named = {one.name: one for one in registered}
    if approved not in named:
        raise UsageError(
            f"{REGISTRY} does not name {approved!r}", hint=f"{approved}: {{version: 1}}"
        )
    one = named[approved]
    identity(project)
    draft = approval(project, one, reason)
    record(project, draft, copies=tracker)
    if draft.outcome == "refused":
        raise ApprovalError(
            f"version {one.said.version} of {one.name} is not approved: {draft.reason}",
            hint=f"{REGISTRY}: {one.name}: approver: WHO",
        )
    return tuple(made)


def _named(entries: list[FeatureEntry], name: str) -> FeatureEntry:
    known = {entry.name: entry for entry in entries}
    if name not in known:
        near = difflib.get_close_matches(name, known, n=1, cutoff=0.4)
        hint = f"did you mean {near[0]!r}?" if near else "`mlops features list` lists them"
        raise UsageError(f"there is no feature {name!r}", hint=hint)
    return known[name]
