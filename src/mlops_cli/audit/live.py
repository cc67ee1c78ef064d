"""What answered where, and since when, as the log tells it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime

from mlops_cli.audit.entry import Action, Entry
from mlops_cli.audit.graph import in_order

_GOES_ON = ("running", "paused")
_MOVES: tuple[Action, ...] = ("deploy", "rollout", "rollback", "promote")


@dataclass(frozen=True, slots=True)
class Live:
    """A version (12 digits) on a target, and the percentage of the traffic that it answered.

    `since` and `until` are the times of the entries; `until` is None where it answers still.
    """

    target: str
    version: str
    weight: float
    since: str
    until: str | None


def live(entries: Mapping[str, Entry], at: datetime | None = None) -> tuple[Live, ...]:
    """What was live at that moment, by default what is; by target, then by weight.

    An entry that moves traffic names `target` and `digest`, of which `weight` is the percentage
    (without one 100); the rest is that of `before`. An attempt that failed changed nothing.
    """
    moment = None if at is None else f"{at.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}"
    now: dict[str, Entry] = {}
    until: dict[str, str] = {}
    for entry in filter(_moved, in_order(entries)):
        target = entry.subject["target"]
        if moment is None or entry.time <= moment:
            now[target] = entry
            until.pop(target, None)
        elif target in now:
            until.setdefault(target, entry.time)
    found = (part for e in now.values() for part in _parts(e, until.get(e.subject["target"])))
    return tuple(sorted(found, key=lambda x: (x.target, -x.weight, x.version)))


def brought(entries: Mapping[str, Entry]) -> dict[str, str]:
    """The digest of the version that came to answer last on each target, by a deploy or rollout."""
    found: dict[str, str] = {}
    for entry in filter(_moved, in_order(entries)):
        if entry.action in ("deploy", "rollout"):
            goes_on = entry.subject.get("state") in _GOES_ON
            key = "before" if goes_on and "before" in entry.subject else "digest"
            found[entry.subject["target"]] = entry.subject[key]
    return found


def rolling(entries: Mapping[str, Entry]) -> dict[str, Entry]:
    """The last entry of each rollout that goes on, by its target: `digest` replaces `before`."""
    last: dict[str, Entry] = {}
    for entry in filter(_moved, in_order(entries)):
        last[entry.subject["target"]] = entry
    return {
        target: entry
        for target, entry in last.items()
        if entry.action == "rollout" and entry.subject.get("state") in _GOES_ON
    }


def _moved(entry: Entry) -> bool:
    if entry.outcome != "done" or "target" not in entry.subject:
        return False
    return entry.action == "stop" or (entry.action in _MOVES and "digest" in entry.subject)


def _parts(entry: Entry, until: str | None) -> Iterable[Live]:
    if entry.action == "stop":
        return
    subject = entry.subject
    try:
        weight = float(subject.get("weight", 100))
    except ValueError:
        weight = 100.0
    parts = {subject["digest"]: weight, subject.get("before", ""): 100 - weight}
    for digest, percent in parts.items():
        if digest and percent > 0:
            yield Live(subject["target"], digest[:12], percent, entry.time, until)
