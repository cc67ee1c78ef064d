"""The command `card`: a model's card, from what is recorded and what a person tells."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec

from mlops_cli._files import write_text
from mlops_cli._git import committed
from mlops_cli._json import pretty_json
from mlops_cli.actions.audit import audit_log, signed_entries
from mlops_cli.audit.entry import Entry
from mlops_cli.audit.graph import in_order
from mlops_cli.audit.live import live
from mlops_cli.audit.log import every_entry
from mlops_cli.bundle.reader import Bundle, open_bundle
from mlops_cli.config.document import parse_yaml, read_yaml
from mlops_cli.config.paths import CONFIG, MODEL_CARD, MODEL_CARD_JSON, MODEL_CARD_PAGE
from mlops_cli.config.project import Project
from mlops_cli.errors import MlopsError, UsageError
from mlops_cli.evaluation.report import Report, read_report
from mlops_cli.governance.approvals import person_of, standing_of
from mlops_cli.governance.candidate import IMPORTED, provenance
from mlops_cli.governance.champion import champion_of
from mlops_cli.governance.life import life_of
from mlops_cli.governance.rules import main_rules
from mlops_cli.reports.card import CardResult, model_card
from mlops_cli.reports.card_page import card_page
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
    """The card of a version, by default the champion; written to `reports/card.{md,json,html}`.

    Raises `UsageError` where there is no such version or `governance/card.yaml` is not what it may
    be, `TamperedError` where the audit log does not verify by itself, and what
    `Tracker.fetch` and, where there are approvals, `approvals.standing_of` raise.
    """
    tracker = open_tracker(project)
    named = (
        version_named(tracker, version, model=project.config.project)
        if version
        else champion_of(project, tracker)
    )
    bundle = open_bundle(tracker.fetch(named.digest))
    audit_log(project)
    entries = every_entry(project.root, tracker)
    ordered = in_order(entries)
    life = life_of(project, tracker, ordered, named.digest)
    standing = standing_of(project, entries, named.digest)
    given = [e for e in ordered if _approves(e, named.digest)]
    counted = {(a.role, a.by, a.time) for a in standing.approvals}
    told = told_by_a_person(project.root)
    result = CardResult(
        project.config.project,
        named.version,
        life,
        told,
        _data(project, bundle, life.evidence),
        _model(bundle, life.evidence),
        tuple(given),
        tuple(e.id for e in given if (e.subject.get("role"), person_of(e), e.time) in counted),
        standing.missing,
        signed_entries(project, given),
        tuple(x for x in live(entries) if x.version == named.version),
        tuple(key for key, text in told.items() if not (text or "").strip()),
        main_rules(project).signers is None,
        IMPORTED in provenance(bundle),
        CARD,
        _evaluation(project.root, bundle.judged_digest),
    )
    forms = {
        MODEL_CARD: model_card(result),
        MODEL_CARD_JSON: pretty_json(result),
        MODEL_CARD_PAGE: card_page(result),
    }
    for name, text in forms.items():
        write_text(project.root / name, text)
    return result


def _evaluation(root: Path, digest: str) -> Report | None:
    """What training wrote of the version, as long as no other was trained here since."""
    try:
        report = read_report(root)
    except MlopsError:
        return None
    return report if report.version == digest else None


def _approves(entry: Entry, digest: str) -> bool:
    done = (entry.action, entry.outcome) == ("approve", "done")
    return done and entry.subject.get("digest") == digest


def told_by_a_person(root: Path) -> dict[str, str | None]:
    """What `governance/card.yaml` of the project tells, by its keys; None where nobody has told.

    Raises `UsageError` where it is not what it may be.
    """
    file = root / CARD
    try:
        content = read_yaml(file) if file.is_file() else None
        return msgspec.structs.asdict(msgspec.convert(content or {}, Told))
    except msgspec.ValidationError as e:
        keys = ", ".join(Told.__struct_fields__)
        raise UsageError(f"{CARD}: {e}", hint=f"it may have the keys {keys}, each a text") from e


def _data(project: Project, bundle: Bundle, evidence: Mapping[str, str]) -> dict[str, str]:
    made = provenance(bundle)
    fitted = made.get("fitted")
    split: dict[str, Any] = fitted if isinstance(fitted, dict) else {}
    imported = made.get(IMPORTED)
    origin: dict[str, Any] = imported if isinstance(imported, dict) else {}
    parts = (f"{split[k]:g} of them {k}" for k in ("validation", "holdout") if k in split)
    return {
        "table": "" if origin else _table_at(project.root, evidence.get("code")),
        "digest of the data": str(origin.get("data_sha256") or made.get("data_digest") or ""),
        "digest of dvc.lock": evidence.get("data", ""),
        "digest of the contracts": evidence.get("contracts", ""),
        "rows of the table": str(split.get("rows", "")),
        "split by": ", ".join((str(split["by"]), *parts)) if "by" in split else "",
        "first and last date": "",
        "sensitive columns": ", ".join(bundle.manifest.sensitive) or "none named in data.sensitive",
    }


def _table_at(root: Path, commit: str | None) -> str:
    """The table that `mlops.yaml` names in that commit; empty where that cannot be told."""
    raw = committed(root, commit, CONFIG) if commit else None
    said = parse_yaml(raw, Path(CONFIG)) if raw else None
    data = said.get("data") if isinstance(said, dict) else None
    return str(data.get("table") or "") if isinstance(data, dict) else ""


def _model(bundle: Bundle, evidence: Mapping[str, str]) -> dict[str, str]:
    made = provenance(bundle)
    features = (x.name for x in bundle.manifest.features)
    target = bundle.manifest.target
    return {
        "digest": bundle.digest,
        "task": bundle.manifest.task,
        "target": " = ".join(filter(None, (target.name, target.expression))),
        "inputs": ", ".join(x.name for x in bundle.manifest.inputs),
        "features": ", ".join(features),
        "trained": str(made.get("time", "")),
        "code": evidence.get("code") or str(made.get("git_commit") or ""),
        "made by": f"mlops-cli {made.get('mlops_cli_version', '')}".strip(),
    }
