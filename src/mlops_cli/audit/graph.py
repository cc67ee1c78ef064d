"""The entries as a graph, as git's own history is one: heads, order, and what they add up to."""

from __future__ import annotations

import heapq
from collections.abc import Collection, Mapping

from mlops_cli.audit.entry import Action, Entry

YIELDS = "yields"  # of a refused entry's subject: the id of the entry that it takes back
FIRST = "first"  # of a registration's subject: it was compared with no champion, as was asked
CHAMPION_ACTIONS: Collection[Action] = ("register", "promote", "rollback", "rollout")


def heads(entries: Mapping[str, Entry]) -> tuple[str, ...]:
    """The ids that no entry names as a parent, sorted."""
    named = {parent for entry in entries.values() for parent in entry.parents}
    return tuple(sorted(entries.keys() - named))


def in_order(entries: Mapping[str, Entry]) -> list[Entry]:
    """Parents before children; of those that know nothing of one another, by time."""
    waiting = {i: {p for p in e.parents if p in entries} for i, e in entries.items()}
    children: dict[str, list[str]] = {}
    for i, parents in waiting.items():
        for parent in parents:
            children.setdefault(parent, []).append(i)
    ready = [(e.time, i) for i, e in entries.items() if not waiting[i]]
    heapq.heapify(ready)
    ordered = []
    while ready:
        _, i = heapq.heappop(ready)
        ordered.append(entries[i])
        for child in children.get(i, ()):
            waiting[child].discard(i)
            if not waiting[child]:
                heapq.heappush(ready, (entries[child].time, child))
    return ordered


def deployed_on(entries: Mapping[str, Entry]) -> list[str]:
    """The targets where, by the log, something may be deployed; sorted."""
    there: set[str] = set()
    for entry in in_order(entries):
        target = entry.subject.get("target")
        if target and entry.action == "deploy" and entry.outcome not in ("failed", "refused"):
            there.add(target)
        elif target and entry.action == "stop" and entry.outcome == "done":
            there.discard(target)
    return sorted(there)


def makes_champion(entry: Entry) -> bool:
    """Whether the entry made its version the champion; a candidate that waits is none.

    A step of a rollout moves traffic; only one that says so, a way back, moves the alias.
    """
    if entry.action not in CHAMPION_ACTIONS or entry.outcome != "done":
        return False
    alias = entry.subject.get("alias")
    return alias == "champion" if entry.action == "rollout" else alias != "candidate"


def lasting(entries: Mapping[str, Entry]) -> list[Entry]:
    """The entries in order, without what made a version the champion and was taken back.

    Of two that took the place of one champion at the same moment the first stands.
    """
    named = {e.subject[YIELDS] for e in entries.values() if YIELDS in e.subject}
    back = {i for i in named if i in entries and makes_champion(entries[i])}
    return [e for e in in_order(entries) if e.id not in back]


def champion(entries: Mapping[str, Entry]) -> str | None:
    """The digest of the last champion that the log knows of."""
    return next(reversed(reigns(entries)), None)


def reigns(entries: Mapping[str, Entry]) -> list[str]:
    """The digests of the champions in order, the last one last; one that came back, again."""
    found: list[str] = []
    for entry in filter(makes_champion, lasting(entries)):
        subject = entry.subject
        before = [] if found or "before" not in subject else [subject["before"]]
        found += [*before, *([subject["digest"]] if "digest" in subject else [])]
    return found


def line(entries: Mapping[str, Entry]) -> list[str]:
    """The digests of the champions since the last one that began anew (`FIRST`), each once.

    In the order of each one's last reign.
    """
    found: dict[str, None] = {}
    begins: set[str] = set()
    for entry in lasting(entries):
        digest, before = (entry.subject.get(key) for key in ("digest", "before"))
        if digest is None:
            continue
        if entry.action == "register" and entry.outcome == "done":
            (begins.add if FIRST in entry.subject else begins.discard)(digest)
        if not makes_champion(entry):
            continue
        if digest in begins:
            begins.remove(digest)
            found.clear()
        elif before and not found:
            found[before] = None
        found.pop(digest, None)
        found[digest] = None
    return list(found)


def champions(entries: Mapping[str, Entry]) -> set[str]:
    """The digests of all that are, or were, the champion."""
    made = [e.subject for e in lasting(entries) if makes_champion(e)]
    return {s[key] for s in made for key in ("digest", "before") if key in s}
