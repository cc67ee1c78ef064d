"""What fired and resolved, what of it reached which sink, and what is silenced.

`monitoring/alerts.jsonl` is appended, a line an event, and synced: what a run found is on the disk
before anybody is told. `monitoring/alerts.json` only saves work: up to when each key was judged.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

import msgspec

from mlops_cli._files import write_bytes
from mlops_cli._locks import locked
from mlops_cli.alerts.base import Message
from mlops_cli.alerts.judge import Standing
from mlops_cli.config.paths import ALERTS, ALERTS_JUDGED, CACHE
from mlops_cli.errors import EnvironmentFault

_LOCK_SECONDS = 60.0


class Change(msgspec.Struct, frozen=True, tag="change", tag_field="event"):
    """An alert fired or resolved; `sinks` are those that are to be told, by name."""

    id: str
    at: datetime
    sinks: tuple[str, ...]
    message: Message


class Settled(msgspec.Struct, frozen=True, tag="settled", tag_field="event"):
    """A sink took a change, or never will: a silence was over both ends of the incident."""

    change: str
    sink: str
    at: datetime
    silenced: bool = False


class Silence(msgspec.Struct, frozen=True, tag="silence", tag_field="event"):
    """Nothing is sent about a key, or a condition, before `until`."""

    what: str
    at: datetime
    until: datetime
    reason: str | None = None


Event = Change | Settled | Silence
_read_line = msgspec.json.Decoder(Event).decode
_read_standings = msgspec.json.Decoder(dict[str, Standing]).decode


@dataclass(slots=True)
class History:
    """The events of a project's alerts, in the order in which they were written."""

    changes: list[Change] = field(default_factory=list)
    settled: set[tuple[str, str]] = field(default_factory=set)
    silences: dict[str, Silence] = field(default_factory=dict)

    def take(self, event: Event) -> None:
        """Add an event."""
        match event:
            case Change():
                self.changes.append(event)
            case Settled():
                self.settled.add((event.change, event.sink))
            case Silence():
                self.silences[event.what] = event

    def last(self) -> dict[str, Change]:
        """The last change of each key."""
        return {change.message.key: change for change in self.changes}

    def numbered(
        self, messages: Iterable[Message], sinks: Sequence[str], at: datetime
    ) -> Iterator[Change]:
        """The messages as the next changes of their keys."""
        # Not by how many there are: the oldest go (see `compaction`).
        numbers = {key: int(last.id.rpartition("#")[2]) for key, last in self.last().items()}
        for message in messages:
            number = numbers[message.key] = numbers.get(message.key, 0) + 1
            yield Change(f"{message.key}#{number}", at, tuple(sinks), message)

    def waiting(self, sink: str) -> list[Change]:
        """What the sink has yet to take, in order."""
        return [
            change
            for change in self.changes
            if sink in change.sinks and (change.id, sink) not in self.settled
        ]

    def silence_of(self, message: Message, now: datetime) -> Silence | None:
        """The silence that is over a message now."""
        both = (self.silences.get(message.key), self.silences.get(message.when))
        return next((silence for silence in both if silence and silence.until > now), None)


def read_history(root: Path) -> History:
    """Every whole line of the project in `root`; a line that was torn by a kill is passed over."""
    history = History()
    try:
        lines = (root / ALERTS).read_bytes().splitlines()
    except FileNotFoundError:
        return history
    for line in lines:
        try:
            history.take(_read_line(line))
        except msgspec.DecodeError:
            continue
    return history


def append(root: Path, events: Iterable[Event]) -> None:
    """Write events, whole and on the disk; the caller holds `changing`."""
    lines = b"".join(msgspec.json.encode(event) + b"\n" for event in events)
    if not lines:
        return
    path = root / ALERTS
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a+b") as file:
        if file.tell():
            file.seek(-1, os.SEEK_END)
            lines = lines if file.read(1) == b"\n" else b"\n" + lines  # what a kill left
        file.write(lines)
        file.flush()
        os.fsync(file.fileno())


def read_standings(root: Path, history: History) -> dict[str, Standing]:
    """Where each key stands: its last change says what it is, and up to when, if nothing later."""
    try:
        found = _read_standings((root / ALERTS_JUDGED).read_bytes())
    except (FileNotFoundError, msgspec.DecodeError):
        found = {}
    for key, change in history.last().items():
        last, kept = change.message, found.get(key, Standing())
        if kept.until is None or kept.until < last.end:  # killed before it was kept
            since = last.start if last.state == "firing" else None
            found[key] = Standing(last.state, last.end, since)
        else:
            found[key] = Standing(last.state, kept.until, kept.since)
    return found


def write_standings(root: Path, standings: Mapping[str, Standing]) -> None:
    """Keep up to when each key was judged."""
    write_bytes(root / ALERTS_JUDGED, msgspec.json.encode(standings, order="sorted") + b"\n")


def changing(root: Path) -> AbstractContextManager[None]:
    """Hold what stands there against other commands, for as long as it is read and written."""
    return _lock(root, "alerts", seconds=_LOCK_SECONDS)


def sending(root: Path) -> AbstractContextManager[None]:
    """One command at a time sends, so that nothing is sent twice."""
    return _lock(root, "alerts-sending", seconds=_LOCK_SECONDS)


def _lock(root: Path, name: str, *, seconds: float) -> AbstractContextManager[None]:
    otherwise = EnvironmentFault("another command is at the alerts of this project", hint="wait")
    return locked(root / CACHE / f"{name}.lock", otherwise=otherwise, seconds=seconds)
