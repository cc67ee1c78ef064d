"""Keeping `monitoring/alerts.jsonl` bounded: what is long over goes, the oldest first."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime
from pathlib import Path

import msgspec

from mlops_cli._files import replacing, sync
from mlops_cli.alerts.history import Change, Event, History, Settled
from mlops_cli.config.paths import ALERTS

MOST = 16 * 1024 * 1024  # bytes: as many changes as an alert on a minute makes in some weeks


def compact(root: Path, history: History, *, sinks: Sequence[str], now: datetime) -> History:
    """Write the file anew where it is larger than `MOST`, at half of that; the caller holds
    `changing`.

    What stays in any case is the last change of each key, what one of `sinks` has yet to take, and
    each silence that is not over. Returns what stands there now.
    """
    path = root / ALERTS
    if not path.exists() or path.stat().st_size <= MOST:
        return history
    kept = History()
    with replacing(path) as temporary:
        with temporary.open("wb") as file:
            for event in _kept(history, sinks, now):
                kept.take(event)
                file.write(msgspec.json.encode(event) + b"\n")
        sync(temporary)
    return kept


def _kept(history: History, sinks: Sequence[str], now: datetime) -> Iterator[Event]:
    needed = {change.id for change in history.last().values()}
    needed |= {change.id for sink in sinks for change in history.waiting(sink)}
    room, newest = MOST // 2, set[str]()
    for change in reversed(history.changes):
        room -= sum(len(msgspec.json.encode(e)) + 1 for e in _with_ends(history, change, now))
        if room < 0:
            break
        newest.add(change.id)
    for change in history.changes:
        if change.id in needed or change.id in newest:
            yield from _with_ends(history, change, now)
    yield from (silence for silence in history.silences.values() if silence.until > now)


def _with_ends(history: History, change: Change, now: datetime) -> Iterator[Event]:
    """A change, and which sinks took it."""
    yield change
    for sink in change.sinks:
        if (change.id, sink) in history.settled:
            yield Settled(change.id, sink, now)
