"""The command `card`: a model's card, from what is recorded and what a person tells."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec

from mlops_cli.actions.audit import Asked, audit_log
from mlops_cli.bundle.reader import Bundle, open_bundle
from mlops_cli.config.document import read_yaml
from mlops_cli.config.project import Project
from mlops_cli.errors import UsageError
from mlops_cli.governance.candidate import provenance
from mlops_cli.governance.champion import champion_of
from mlops_cli.reports.card import CardResult
from mlops_cli.tracking import open_tracker
from mlops_cli.tracking.names import version_named

CARD = "governance/card.yaml"


class Told(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What only a person can know: the content of `governance/card.yaml`, all of it text."""

    purpose: str | None = None
    users: str | None = None
    out_of_scope: str | None = None
    data_origin: str | None = None
    limits: str | None = None
    risks: str | None = None
    owner: str | None = None


def card(project: Project, version: str | None = None) -> CardResult:
    """The card of a version, by default the champion.

    Raises `UsageError` where there is no such version or `governance/card.yaml` is not what it may
    be, `TamperedError` where the audit log does not verify by itself, and what
    `Tracker.fetch` raises.
    """
    tracker = open_tracker(project)
    named = (
        version_named(tracker, version, model=project.config.project)
        if version
        else champion_of(project, tracker)
    )
    bundle = open_bundle(tracker.fetch(named.digest))
    found = audit_log(project, asked=Asked(subject=named.digest))
    if (life := found.subject) is None:
        raise AssertionError("a subject was asked for")
    told: dict[str, str | None] = msgspec.structs.asdict(_told(project.root))
    approvals = (e for e in found.entries if (e.action, e.outcome) == ("approve", "done"))
    return CardResult(
        project.config.project,
        named.version,
        life,
        told,
        _data(project, bundle, life.evidence),
        _model(project, bundle, life.evidence),
        tuple(e for e in approvals if e.subject.get("digest") == named.digest),
        found.signed,
        tuple(x for x in found.live if x.version == named.version),
        tuple(key for key, text in told.items() if not (text or "").strip()),
        project.config.governance.signers is None,
        CARD,
    )


def _told(root: Path) -> Told:
    file = root / CARD
    if not file.is_file():
        return Told()
    try:
        return msgspec.convert(read_yaml(file) or {}, Told)
    except msgspec.ValidationError as e:
        keys = ", ".join(Told.__struct_fields__)
        raise UsageError(f"{CARD}: {e}", hint=f"it may have the keys {keys}, each a text") from e


def _data(project: Project, bundle: Bundle, evidence: Mapping[str, str]) -> dict[str, str]:
    made = provenance(bundle)
    fitted = made.get("fitted")
    split: dict[str, Any] = fitted if isinstance(fitted, dict) else {}
    sensitive = bundle.manifest.sensitive or project.config.data.sensitive
    return {
        "table": project.config.data.table,
        "digest of the data": str(made.get("data_digest", "")),
        "digest of dvc.lock": evidence.get("data", ""),
        "digest of the contracts": evidence.get("contracts", ""),
        "rows that it was fitted on": str(split.get("rows", "")),
        "split by": str(split.get("by", "")),
        "first and last date": "",
        "sensitive columns": ", ".join(sensitive) or "none named in data.sensitive",
    }


def _model(project: Project, bundle: Bundle, evidence: Mapping[str, str]) -> dict[str, str]:
    made = provenance(bundle)
    features = (x.name for x in bundle.manifest.features)
    return {
        "digest": bundle.digest,
        "task": bundle.manifest.task,
        "target": project.config.data.target,
        "inputs": ", ".join(x.name for x in bundle.manifest.inputs),
        "features": ", ".join(features),
        "trained": str(made.get("time", "")),
        "code": evidence.get("code") or str(made.get("git_commit") or ""),
        "made by": f"mlops-cli {made.get('mlops_cli_version', '')}".strip(),
    }
