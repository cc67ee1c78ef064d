"""The audit log for an auditor: a table as CSV, or a page of HTML that needs nothing else."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from mlops_cli._templates import render
from mlops_cli.audit.entry import Entry
from mlops_cli.audit.live import Live
from mlops_cli.audit.verify import Anchor
from mlops_cli.governance.life import Life

TEMPLATE = "reports/audit.html.j2"
_COLUMNS = ("time", "action", "outcome", "version", "target", "actor", "signed_by", "reason",
            "subject", "evidence", "id", "parents")  # fmt: skip
_FORMULA = ("=", "+", "-", "@", "\t", "\r")  # what a spreadsheet would work out


@dataclass(frozen=True, slots=True)
class AuditResult:
    """The log, parents before children; `heads` are the ids that nothing follows.

    `verified` is None where it was not asked for, or where no anchor was reached, so that a cut
    end could not be seen. `faults` is empty: a log with faults is an error that names them.
    `live` is what answers where by the log, or did `at` that time. `signed` is who has signed an
    entry, by the entry's id, as far as `governance.signers` knows. With a `subject` the entries
    are those of that version alone.
    """

    project: str
    entries: tuple[Entry, ...]
    heads: tuple[str, ...]
    verified: bool | None
    faults: tuple[str, ...]
    anchors: tuple[Anchor, ...]
    live: tuple[Live, ...]
    signed: Mapping[str, str]
    at: datetime | None = None
    subject: Life | None = None


def as_csv(result: AuditResult) -> str:
    """A row an entry, with a header; `subject` and `evidence` are JSON.

    A cell that a spreadsheet would take for a formula has an apostrophe before it.
    """
    file = io.StringIO()
    table = csv.writer(file, lineterminator="\n")
    table.writerow(_COLUMNS)
    for entry in result.entries:
        table.writerow(map(_plain, _row(entry, result.signed.get(entry.id, ""))))
    return file.getvalue()


def as_html(result: AuditResult) -> str:
    """The same as a page by itself: no script, and nothing from elsewhere."""
    return render(TEMPLATE, result=result)


def _row(entry: Entry, signer: str) -> tuple[str, ...]:
    """The cells in the order of `_COLUMNS`."""
    subject = entry.subject
    what = (entry.time, entry.action, entry.outcome, subject.get("digest", "")[:12])
    who = (subject.get("target", ""), entry.actor, signer, entry.reason or "")
    return (*what, *who, _json(subject), _json(entry.evidence), entry.id, " ".join(entry.parents))


def _json(value: Mapping[str, str]) -> str:
    return json.dumps(value, sort_keys=True, ensure_ascii=False)


def _plain(cell: str) -> str:
    return f"'{cell}" if cell.startswith(_FORMULA) else cell
