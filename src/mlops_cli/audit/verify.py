"""Is the audit log what was written: each line, the graph, and what others know of it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from mlops_cli._git import added_lines
from mlops_cli.audit.entry import Entry, parse
from mlops_cli.audit.graph import heads
from mlops_cli.audit.log import Copies, Log
from mlops_cli.config.paths import AUDIT_LOG
from mlops_cli.errors import EnvironmentFault

State = Literal["ok", "missing", "changed", "unreachable"]


@dataclass(frozen=True, slots=True)
class Anchor:
    """Somewhere that knows entries of the log; `id` is of the entry that `state` is about."""

    where: str
    id: str | None
    state: State


@dataclass(frozen=True, slots=True)
class Verification:
    """`verified` is None where no anchor was reached: a cut end cannot be seen then."""

    verified: bool | None
    faults: tuple[str, ...]
    anchors: tuple[Anchor, ...]


def verify(
    root: Path,
    log: Log,
    copies: Copies,
    *,
    others: Mapping[str, Callable[[], str | None]] | None = None,
) -> Verification:
    """Check the log by itself, then against its anchors.

    They are the registry's copies, what git has committed, and `others` by where they are: each
    tells the id of an entry, or None where it knows of none, or raises `EnvironmentFault`.
    """
    told = (_told(log.entries, *other) for other in (others or {}).items())
    anchors = [*_registry(log.entries, copies), *_git(root, log.entries), *filter(None, told)]
    faults = [*graph_faults(log), *(f for a in anchors if (f := _fault(a)))]
    reached = any(a.state == "ok" for a in anchors)
    return Verification(False if faults else reached or None, tuple(faults), tuple(anchors))


def graph_faults(log: Log) -> tuple[str, ...]:
    """What the log by itself tells: lines that are no entries, and parents that are not there."""
    known = log.entries.keys()
    missing = sorted({(p, e.id) for e in log.entries.values() for p in e.parents if p not in known})
    orphans = (f"entry {p[:12]} is missing: entry {child[:12]} follows it" for p, child in missing)
    return (*log.faults, *orphans)


def _fault(anchor: Anchor) -> str | None:
    entry = f"entry {(anchor.id or '')[:12]}"
    if anchor.state == "missing":
        return f"{entry} is missing: {anchor.where} has it"
    if anchor.state == "changed":
        return f"{entry} was changed: {anchor.where} has another one of that id"
    return None


def _registry(entries: Mapping[str, Entry], copies: Copies) -> list[Anchor]:
    where = "the registry"
    try:
        lines = copies.audit_lines()
    except EnvironmentFault:
        return [Anchor(where, None, "unreachable")]
    if not lines:
        return []
    states = ((i, _state(i, line.encode(), entries)) for i, line in sorted(lines.items()))
    return _anchors(where, states, entries)


def _told(entries: Mapping[str, Entry], where: str, ask: Callable[[], str | None]) -> Anchor | None:
    try:
        i = ask()
    except EnvironmentFault:
        return Anchor(where, None, "unreachable")
    return Anchor(where, i, "ok" if i in entries else "missing") if i else None


def _git(root: Path, entries: Mapping[str, Entry]) -> list[Anchor]:
    lines = added_lines(root, AUDIT_LOG)
    if not lines:
        return []
    ids: dict[str, bytes] = {}
    for line in lines:
        try:
            ids[parse(line).id] = line
        except ValueError:  # marks of a merge, or a fault that was fixed since
            continue
    return _anchors("git", ((i, _state(i, line, entries)) for i, line in ids.items()), entries)


def _state(i: str, line: bytes, entries: Mapping[str, Entry]) -> State:
    try:
        valid = parse(line).id == i
    except ValueError:
        valid = False
    if not valid:
        return "changed"
    return "ok" if i in entries else "missing"


def _anchors(
    where: str, states: Iterable[tuple[str, State]], entries: Mapping[str, Entry]
) -> list[Anchor]:
    """One anchor for each entry that is not as it should be; one of the newest, where all are."""
    found = list(states)
    if wrong := [Anchor(where, i, state) for i, state in found if state != "ok"]:
        return wrong
    known = {i: entries[i] for i, _ in found}
    return [Anchor(where, i, "ok") for i in heads(known)[:1]]
