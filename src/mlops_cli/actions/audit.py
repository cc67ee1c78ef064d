"""The command `audit`: what happened to the project's models, and whether the record is whole."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from mlops_cli.audit.entry import Entry
from mlops_cli.audit.graph import deployed_on, heads, in_order
from mlops_cli.audit.live import live
from mlops_cli.audit.log import pull, read_log
from mlops_cli.audit.log import repair as resolve
from mlops_cli.audit.signatures import signed_by
from mlops_cli.audit.verify import Anchor, graph_faults
from mlops_cli.audit.verify import verify as verified
from mlops_cli.config.project import Project
from mlops_cli.errors import MlopsError, TamperedError, UsageError
from mlops_cli.governance.life import about, life_of
from mlops_cli.governance.rules import main_rules
from mlops_cli.reports.audit import AuditResult
from mlops_cli.targets import open_target
from mlops_cli.targets.base import KeepsAnchor
from mlops_cli.tracking import open_tracker


@dataclass(frozen=True, slots=True)
class Asked:
    """What of the log is asked for: as it was `at` a time, in UTC, or of one version alone."""

    at: datetime | None = None
    subject: str | None = None


def audit_log(
    project: Project,
    *,
    verify: bool = False,
    take_in: bool = False,
    repair: bool = False,
    asked: Asked = Asked(),
) -> AuditResult:
    """Read the audit log; `verify` holds it to its anchors: registry, git, what is deployed.

    `repair` first resolves what git could not merge, by taking every line of both sides; `take_in`
    then adds the entries that the registry has and the file lacks. Raises
    `TamperedError` naming each fault: without `verify` only what the file by itself shows.
    """
    tracker = open_tracker(project)
    if repair:
        resolve(project.root)
    if take_in:
        pull(project.root, tracker)
    log = read_log(project.root)
    faults, sure = graph_faults(log), None
    anchors: tuple[Anchor, ...] = ()
    if verify:
        others = _deployed(project, log.entries)
        found = verified(project.root, log, tracker, others=others)
        faults, anchors, sure = found.faults, found.anchors, found.verified
    if faults:
        raise TamperedError(f"the audit log does not verify: {faults[0]}", faults=faults)
    entries, life = _asked_for(in_order(log.entries), asked), None
    if asked.subject is not None:
        name = _digits(asked.subject)
        entries, life = about(entries, name), life_of(project, tracker, entries, name)
    return AuditResult(
        project.config.project,
        tuple(entries),
        heads(log.entries),
        sure,
        (),
        anchors,
        live(log.entries, asked.at),
        signed_entries(project, entries),
        asked.at,
        life,
    )


def moment(text: str) -> datetime:
    """The time that a person typed, in ISO 8601; without an offset it is UTC.

    A date alone is its end, so that all of that day counts. Raises `UsageError` for anything else.
    """
    try:
        found = datetime.fromisoformat(text.strip())
    except ValueError as e:
        hint = "--at 2026-11-30T14:00:00Z, or a day: --at 2026-11-30"
        raise UsageError(f"{text[:50]!r} is no time", hint=hint) from e
    if re.fullmatch(r"[\d-]+|\d{4}-?W\d.*", text.strip()):
        found = found.replace(hour=23, minute=59, second=59)
    return found if found.tzinfo else found.replace(tzinfo=UTC)


def _asked_for(entries: Sequence[Entry], asked: Asked) -> list[Entry]:
    if asked.at is None:
        return list(entries)
    until = f"{asked.at.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}"
    return [entry for entry in entries if entry.time <= until]


def _digits(name: str) -> str:
    if re.fullmatch(r"[0-9a-f]{12,64}", name):
        return name
    raise UsageError(
        f"{name[:70]!r} is no version: 12 to 64 digits of its digest", hint="`mlops audit` has them"
    )


def _deployed(
    project: Project, entries: Mapping[str, Entry]
) -> dict[str, Callable[[], str | None]]:
    """How to ask each target for the entry that it keeps with what is deployed there."""
    found = {}
    for name in sorted({project.config.deploy.target, *deployed_on(entries)}):
        try:
            place = open_target(name, project)
        except MlopsError:  # of a package that is not here
            continue
        if isinstance(place, KeepsAnchor):
            found[f"what is deployed on {name}"] = place.anchor
    return found


def signed_entries(project: Project, entries: Sequence[Entry]) -> dict[str, str]:
    """Who signed an entry, by its id, as far as the main line's signers know."""
    some = [e for e in entries if e.signature]
    signers = main_rules(project).signers if some else None
    if signers is None:
        return {}
    return {e.id: who for e in some if (who := signed_by(e, signers))}
