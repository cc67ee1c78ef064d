"""What an earlier release recorded in `deployments/history.jsonl`, as entries of the log."""

from __future__ import annotations

import hashlib
from collections.abc import Container
from datetime import datetime
from pathlib import Path
from typing import Literal

import msgspec

from mlops_cli.audit.entry import Draft, Entry, seal

HISTORY = "deployments/history.jsonl"


class _Event(msgspec.Struct, frozen=True):
    time: datetime
    action: Literal["deploy", "stop"]
    target: str
    outcome: Literal["done", "failed", "interrupted"]
    by: str = ""
    digest: str | None = None
    url: str | None = None
    reason: str | None = None


def taken_over(root: Path, known: Container[str]) -> list[Entry]:
    """The entries of the older file, a chain in its order; none where the log has them already.

    They follow from the file alone, so that two branches that take it over write equal lines.
    """
    try:
        lines = (root / HISTORY).read_bytes().splitlines()
    except OSError:
        return []
    entries: list[Entry] = []
    for line in lines:
        try:
            event = msgspec.json.decode(line, type=_Event)
        except msgspec.DecodeError:  # two branches were merged badly: git's marks
            continue
        entries.append(_entry(event, line, tuple(e.id for e in entries[-1:])))
    return [entry for entry in entries if entry.id not in known]


def _entry(event: _Event, line: bytes, parents: tuple[str, ...]) -> Entry:
    subject = {"target": event.target, "digest": event.digest, "url": event.url}
    draft = Draft(
        event.action,
        event.outcome,
        {key: value for key, value in subject.items() if value is not None},
        event.reason,
        {HISTORY: hashlib.sha256(line).hexdigest()},
    )
    return seal(draft, parents=parents, time=event.time, actor=event.by)
