"""The command `audit`: what happened to the project's models, and whether the record is whole."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from mlops_cli.audit.entry import Entry
from mlops_cli.audit.graph import heads, in_order
from mlops_cli.audit.log import pull, read_log
from mlops_cli.audit.log import repair as resolve
from mlops_cli.audit.signatures import signed_by
from mlops_cli.audit.verify import Anchor, graph_faults
from mlops_cli.audit.verify import verify as verified
from mlops_cli.config.project import Project
from mlops_cli.errors import TamperedError
from mlops_cli.governance.signers import read_signers
from mlops_cli.tracking import open_tracker


@dataclass(frozen=True, slots=True)
class AuditResult:
    """The log, parents before children; `heads` are the ids that nothing follows.

    `verified` is None where it was not asked for, or where no anchor was reached, so that a cut
    end could not be seen. `faults` is empty: a log with faults is an error that names them.
    `signed` is who has signed an entry, by the entry's id, as far as `governance.signers` knows.
    """

    entries: tuple[Entry, ...]
    heads: tuple[str, ...]
    verified: bool | None
    faults: tuple[str, ...]
    anchors: tuple[Anchor, ...]
    signed: Mapping[str, str]


def audit_log(
    project: Project, *, verify: bool = False, take_in: bool = False, repair: bool = False
) -> AuditResult:
    """Read the audit log; `verify` holds it to the registry's copies and to what git committed.

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
        found = verified(project.root, log, tracker)
        faults, anchors, sure = found.faults, found.anchors, found.verified
    if faults:
        raise TamperedError(f"the audit log does not verify: {faults[0]}", faults=faults)
    entries = tuple(in_order(log.entries))
    return AuditResult(entries, heads(log.entries), sure, (), anchors, _signed(project, entries))


def _signed(project: Project, entries: Sequence[Entry]) -> dict[str, str]:
    file, some = project.config.governance.signers, [e for e in entries if e.signature]
    if file is None or not some:
        return {}
    signers = read_signers(project, file)
    return {e.id: who for e in some if (who := signed_by(e, signers))}
