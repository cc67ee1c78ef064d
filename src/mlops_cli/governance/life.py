"""The whole life of one version, as the log, git and the registry know it."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import msgspec

from mlops_cli._git import versions_of
from mlops_cli.audit.entry import Entry
from mlops_cli.bundle.manifest import short
from mlops_cli.bundle.reader import open_bundle
from mlops_cli.config.paths import DECISION, MODEL
from mlops_cli.config.project import Project
from mlops_cli.errors import MlopsError, UsageError
from mlops_cli.governance.approvals import made_from
from mlops_cli.governance.candidate import provenance
from mlops_cli.governance.decision import Decision, GateResult
from mlops_cli.tracking.base import ModelVersion, Tracker
from mlops_cli.tracking.cache import bundle_folder, holds

_TOLD = ("metric.", "mlops.", "digest")  # tags whose content stands elsewhere in a life


@dataclass(frozen=True, slots=True)
class Life:
    """What a version was made of and what was decided of it; None is what nobody knows here.

    `evidence` has the digests of the registration that counts, which approvals name (`data`,
    `contracts`, `decision`), and the commit of its `code`; `gates` are those of that decision;
    `run` is the run of training. `metrics` and `tags` are the registry's.
    """

    digest: str
    version: str
    number: str | None
    evidence: Mapping[str, str]
    gates: tuple[GateResult, ...]
    run: str | None
    metrics: Mapping[str, float]
    tags: Mapping[str, str]


def about(entries: Sequence[Entry], name: str) -> list[Entry]:
    """The entries whose subject is the version, or whose place another one took or gave."""
    return [e for e in entries if any(_names(e, key, name) for key in ("digest", "before"))]


def life_of(project: Project, tracker: Tracker, entries: Sequence[Entry], name: str) -> Life:
    """The life of the version of that name: 12 or all digits of its digest.

    Raises `UsageError` where neither the log nor the registry knows it.
    """
    known = _registered(tracker, name)
    own = [e for e in entries if _names(e, "digest", name)]
    if known is None and not own:
        raise UsageError(
            f"neither the audit log nor the registry knows a version {name}",
            hint="`mlops audit` names all that there were, by 12 digits",
        )
    digest = known.digest if known else own[-1].subject["digest"]
    evidence = made_from({entry.id: entry for entry in entries}, digest)
    return Life(
        digest,
        short(digest),
        known.number if known else None,
        evidence,
        _gates(project.root, evidence.get("decision")),
        _run(project.root, digest),
        known.metrics if known else {},
        {k: v for k, v in known.tags.items() if not k.startswith(_TOLD)} if known else {},
    )


def _names(entry: Entry, key: str, name: str) -> bool:
    return entry.subject.get(key, "").startswith(name)


def _registered(tracker: Tracker, name: str) -> ModelVersion | None:
    try:
        return next((v for v in tracker.versions() if v.digest.startswith(name)), None)
    except MlopsError:  # the log tells without it
        return None


def _gates(root: Path, digest: str | None) -> tuple[GateResult, ...]:
    for content in versions_of(root, DECISION) if digest else ():
        if hashlib.sha256(content).hexdigest() == digest:
            try:
                return msgspec.json.decode(content, type=Decision).gates
            except msgspec.DecodeError:
                return ()
    return ()


def _run(root: Path, digest: str) -> str | None:
    here = (folder for folder in (bundle_folder(root, digest), root / MODEL))
    bundle = next((open_bundle(folder) for folder in here if holds(folder, digest)), None)
    run = provenance(bundle).get("run_id") if bundle else None
    return run if isinstance(run, str) else None
