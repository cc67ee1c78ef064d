"""Versions of features by the audit log: what each meant, and who approved it."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import msgspec

from mlops_cli._git import author
from mlops_cli.audit.entry import Draft, Entry
from mlops_cli.audit.graph import in_order
from mlops_cli.audit.log import Copies
from mlops_cli.audit.record import record
from mlops_cli.audit.signatures import principal_of, unsigned
from mlops_cli.config.paths import FEATURE_REGISTRY as REGISTRY
from mlops_cli.config.project import Project
from mlops_cli.config.sections.registered import RegisteredFeature
from mlops_cli.errors import ApprovalError, GateError
from mlops_cli.features.base import load_schemas
from mlops_cli.features.layout import check_features
from mlops_cli.features.lineage import feature_entries
from mlops_cli.features.registry import meanings, read_registry
from mlops_cli.governance.people import person
from mlops_cli.governance.rules import Rules, main_rules
from mlops_cli.tracking.base import ModelVersion

FEATURES = "mlops.features"  # a version's tag: the versions of the registered features behind it
_NAME, _VERSION, _STEP, _MADE = "feature", "version", "step", "made"
_MEANING = "meaning"
_PUBLISH, _APPROVE = "publish", "approve"
_SHOWN = 120


@dataclass(frozen=True, slots=True)
class FeatureState:
    """A registered feature: what its file says, and what the log has of its version.

    `made` is how it is made. `published`: the log has the version, in the meaning that it has now;
    `changed`: in another. `approved_by` and `approved_at` (UTC) are of its approval; `missing` is
    who still has to.
    """

    name: str
    version: int
    made: str
    meaning: str
    owner: str | None = None
    description: str | None = None
    approver: str | None = None
    published: bool = False
    changed: bool = False
    approved_by: str | None = None
    approved_at: str | None = None
    missing: str | None = None


@dataclass(frozen=True, slots=True)
class Registered:
    """A feature's entry in the registry's file, how it is made, and the sha256 of its meaning."""

    name: str
    said: RegisteredFeature
    made: str
    meaning: str

    def is_of(self, entry: Entry) -> bool:
        """Whether an entry is about this version of the feature."""
        subject = entry.subject
        return (
            entry.action == "feature"
            and subject.get(_NAME) == self.name
            and subject.get(_VERSION) == str(self.said.version)
        )


def registered_features(project: Project) -> list[Registered]:
    """The features of the registry's file; none where the project has no such file.

    Raises `UsageError` for a fault in the file or in the features themselves.
    """
    if not (project.root / REGISTRY).is_file():
        return []
    schemas = load_schemas(project)
    layout = check_features(project.config, schemas, project.root)
    entries = {e.name: e for e in feature_entries(project.config, layout, schemas)}
    registry = read_registry(project.root, list(entries))
    meaning = meanings(project.config, layout.trees, list(entries.values()))
    return [
        Registered(name, said, entries[name].made, meaning[name]) for name, said in registry.items()
    ]


def enter_features(
    project: Project, entries: Mapping[str, Entry], copies: Copies | None, *, of: Collection[str]
) -> dict[str, str]:
    """Record the versions of registered features; the tag that says which a model was made with.

    `of` are the model's features: `train.select` may have left some out.

    Raises `GateError` and `ApprovalError` as `refuse_changed` and `refuse_unapproved`; nothing, and
    no tag, where the project registers no features.
    """
    registered = registered_features(project)
    if not registered:
        return {}
    refuse_changed(entries, registered)
    refuse_unapproved(feature_states(project, entries, registered))
    for _, draft in publications(entries, registered):
        record(project, draft, copies=copies)
    return {
        FEATURES: json.dumps({one.name: one.said.version for one in registered if one.name in of})
    }


def users_of(versions: Iterable[ModelVersion]) -> dict[str, list[tuple[str, int]]]:
    """By a feature's name the models (12 digits) that were made with it, each with its version."""
    found: dict[str, list[tuple[str, int]]] = {}
    for version in versions:
        try:
            made = msgspec.json.decode(version.tags.get(FEATURES, "{}"), type=dict[str, int])
        except msgspec.DecodeError:
            continue
        for name, number in made.items():
            found.setdefault(name, []).append((version.version, number))
    return found


def feature_states(
    project: Project, entries: Mapping[str, Entry], registered: Iterable[Registered]
) -> list[FeatureState]:
    """What stands of each registered feature, in their order."""
    rules = main_rules(project)
    ordered = in_order(entries)
    return [_state(one, ordered, rules) for one in registered]


def _state(one: Registered, entries: Sequence[Entry], rules: Rules) -> FeatureState:
    every = [e for e in entries if one.is_of(e)]
    own = [e for e in every if e.evidence.get(_MEANING) == one.meaning]
    approval = next((e for e in reversed(own) if _counts(one, e, rules)), None)
    asked = one.said.approver
    return FeatureState(
        name=one.name,
        version=one.said.version,
        made=one.made,
        meaning=one.meaning,
        owner=one.said.owner,
        description=one.said.description,
        approver=asked,
        published=any(e.outcome == "done" for e in own),
        changed=any(e.outcome == "done" and e not in own for e in every),
        approved_by=person(principal_of(approval.actor)) if approval else None,
        approved_at=approval.time if approval else None,
        missing=asked if asked and approval is None else None,
    )


def _counts(one: Registered, entry: Entry, rules: Rules) -> bool:
    if entry.subject.get(_STEP) != _APPROVE or entry.outcome != "done":
        return False
    if person(principal_of(entry.actor)) not in approvers(one.said, rules):
        return False
    return rules.signers is None or unsigned(entry, rules.signers) is None


def approvers(said: RegisteredFeature, rules: Rules) -> set[str]:
    """Who may approve a feature, each by their one name: those of a role, or the person named."""
    if said.approver is None:
        return set()
    return rules.people(said.approver) or {person(said.approver)}


def refuse_changed(entries: Mapping[str, Entry], registered: Iterable[Registered]) -> None:
    """Raise `GateError` for a feature that means something else than its version did."""
    for one in registered:
        for entry in in_order(entries):
            if not one.is_of(entry) or entry.outcome != "done":
                continue
            if entry.evidence.get(_MEANING) not in (None, one.meaning):
                before = entry.subject.get(_MADE, "")
                same = before == one.made
                raise GateError(
                    f"the feature {one.name} is no longer what its version {one.said.version} was"
                    + (
                        ": what it is made of has changed"
                        if same
                        else f": {before[:_SHOWN]}, and now {one.made[:_SHOWN]}"
                    ),
                    hint=f"{REGISTRY}: {one.name}: version: {one.said.version + 1}; "
                    "or make it what it was",
                )


def refuse_unapproved(states: Iterable[FeatureState]) -> None:
    """Raise `ApprovalError` for the first feature whose approver has not approved its version."""
    for state in states:
        if state.missing is not None:
            raise ApprovalError(
                f"version {state.version} of the feature {state.name} is not approved by "
                f"{state.missing}",
                hint=f"{state.missing}: mlops features approve {state.name}",
            )


def publications(
    entries: Mapping[str, Entry], registered: Iterable[Registered]
) -> Iterator[tuple[Registered, Draft]]:
    """The entries that say what a version means, of those that the log does not have."""
    for one in registered:
        if not any(one.is_of(entry) and entry.outcome == "done" for entry in entries.values()):
            yield one, Draft("feature", "done", _subject(one, _PUBLISH), None, _evidence(one))


def approval(project: Project, one: Registered, reason: str | None) -> Draft:
    """The entry by which git's identity approves a version: done, or refused with the reason."""
    who = person(principal_of(author(project.root)))
    allowed = approvers(one.said, main_rules(project))
    subject = _subject(one, _APPROVE)
    if who in allowed:
        return Draft("feature", "done", subject, reason, _evidence(one))
    why = (
        f"{REGISTRY} names {one.said.approver} as its approver, and not {who}"
        if one.said.approver
        else f"{REGISTRY} names no approver of {one.name}"
    )
    return Draft("feature", "refused", subject, why, _evidence(one))


def _subject(one: Registered, step: str) -> dict[str, str]:
    return {
        _NAME: one.name,
        _VERSION: str(one.said.version),
        _STEP: step,
        _MADE: one.made[:500],
    }


def _evidence(one: Registered) -> dict[str, str]:
    return {_MEANING: one.meaning}
