"""A rollout on its target, read and moved by one step at a time, each recorded where it moved.

The document on the target is the truth. Of a step it is written first, then registry and log
follow; what a killed command left undone of them, the next one does.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from typing import Protocol

import msgspec

from mlops_cli.actions import load_command
from mlops_cli.actions.bring import bring, keep_anchor, release_of
from mlops_cli.audit.entry import Draft, Entry
from mlops_cli.audit.log import every_entry, known_entries
from mlops_cli.audit.record import record
from mlops_cli.bundle.manifest import Manifest
from mlops_cli.bundle.reader import open_bundle
from mlops_cli.config.project import Project
from mlops_cli.errors import EnvironmentFault, MlopsError
from mlops_cli.experiments import counts
from mlops_cli.experiments.evidence import Evidence, Stage
from mlops_cli.experiments.judge import Verdict as Judged
from mlops_cli.experiments.judge import judge
from mlops_cli.experiments.logged_evidence import needs_log, read_logged
from mlops_cli.experiments.rollout import (
    State,
    cell_of,
    document_of,
    may_settle,
    parse_state,
    percents,
    settle,
)
from mlops_cli.governance.withdrawal import withdraw_version
from mlops_cli.progress import Progress
from mlops_cli.serving.rollouts.traffic import Document, parse_document
from mlops_cli.targets.base import (
    Counted,
    KeepsRollout,
    Kept,
    RolloutMoved,
    Target,
    TellsOfCandidate,
)
from mlops_cli.tracking.base import Tracker

_OTHERS = timedelta(seconds=60)  # in which a command elsewhere may be about to record what it moved
_MOVED = "moved"  # of an entry's subject: which move of the rollout it tells of


@dataclass(frozen=True, slots=True)
class Found:
    """What a target keeps: `state` is None where there was no rollout.

    `lost` is whether servers alone know it; `counted` is what they count.
    """

    kept: Kept | None
    generation: int
    state: State | None
    document: Document | None = None
    lost: bool = False
    counted: tuple[Counted, ...] = ()

    @property
    def now(self) -> datetime:
        """The clock of what answers: of several servers that in the middle, of two the earlier."""
        clocks = sorted(c.now for c in self.counted)
        return clocks[(len(clocks) - 1) // 2] if clocks else datetime.now(UTC)


class RolloutTarget(Target, KeepsRollout, Protocol):
    """A target that keeps rollouts."""


@dataclass(frozen=True, slots=True)
class Work:
    """The rollout of a project on the target `place`, called `name`."""

    project: Project
    name: str
    place: RolloutTarget
    tracker: Tracker
    progress: Progress

    def read(self) -> Found:
        """What the target keeps; where that is gone, or no document, what its servers obey."""
        kept, counted = self.place.rollout(), self.place.counted()
        fault: ValueError | None = None
        if kept is not None:
            try:
                document = parse_document(kept.document)
                state = parse_state(document)
                return Found(kept, document.generation, state, document, counted=counted)
            except ValueError as e:
                fault = e
        for document in sorted(_obeyed(counted), key=lambda d: -d.generation):
            state = parse_state(document)
            if state is not None and state.goes_on:
                return Found(kept, document.generation, state, document, True, counted)
        if fault is not None:
            raise EnvironmentFault(
                f"what {self.name} keeps of a rollout cannot be read: {fault}",
                hint="mlops deploy --stop, then mlops deploy: without a rollout",
            ) from fault
        return Found(kept, 0, None, counted=counted)

    def judge(self, found: Found, *, collect: bool) -> Judged:
        """What the judge says of both arms now; `collect`: what the log has is brought first."""
        state = rollout_of(found)
        champion, candidate = counts.arms(self.seen_with(found))
        evidence, cell, asked = (
            Evidence(champion, candidate, state.before),
            cell_of(state),
            state.asked,
        )
        manifest = self.manifest(state)
        if needs_log(asked):
            if collect:
                load_command("collect")(
                    self.project, target=self.name, closing=True, progress=self.progress
                )
            logged = read_logged(
                self.project,
                state.salt,
                asked,
                manifest,
                evidence=evidence,
                step=cell,
                since=state.began,
            )
            evidence = replace(evidence, logged=logged)
        weights = percents(state)
        stage = Stage(
            step=cell,
            percents=weights,
            elapsed=max(timedelta(), found.now - state.stepped),
            task=manifest.task,
            last=state.step + 2 >= len(asked.weights),
            suspended=state.suspended,
            mirrored=frozenset(weights) if state.mirrors else frozenset(),
            waived=frozenset(state.overruled),
        )
        return judge(evidence, asked, stage)

    def keep_seen(self, found: Found) -> None:
        """Keep what the servers count by now, where that is more than was kept."""
        if (state := found.state) is None or not found.counted:
            return
        before = self._seen(state)
        after = counts.add(before, {c.boot: c.tallies for c in found.counted})
        if after != before:
            self.place.keep_seen(msgspec.json.encode(after))

    def candidate_fault(self) -> str | None:
        """Why nothing of the candidate answers, where nobody does in its place."""
        place = self.place
        return place.candidate_fault() if isinstance(place, TellsOfCandidate) else None

    def _seen(self, state: State) -> counts.Seen:
        return counts.read_seen(self.place.seen(), state.salt)

    def seen_with(self, found: Found) -> counts.Seen:
        """What was counted, of servers that are gone, too."""
        seen = self._seen(rollout_of(found))
        return counts.add(seen, {c.boot: c.tallies for c in found.counted})

    def manifest(self, state: State) -> Manifest:
        """The champion's."""
        return open_bundle(self.tracker.fetch(state.champion)).manifest

    def move(self, found: Found, state: State, *, reason: str | None = None) -> Found:
        """Keep another state, and have registry and log follow; returns what is kept then.

        Raises `RolloutMoved`, with nothing changed, where the target keeps another one by now.
        """
        state = msgspec.structs.replace(state, mover=mover_of(self.project))
        with self._recorded(state, reason):
            moved = self.keep(found, state)
            crowned = self._follow(state)
        self._enter(state, reason, crowned=crowned)
        return moved

    def mend(self, found: Found) -> Found:
        """Do what is left undone, or was undone by hand; returns what is kept then."""
        if (state := found.state) is None:
            return found
        if found.lost:
            why = "the rollout was gone from the target, and its servers knew it: kept again"
            found = self._again(found, why)
        elif found.document is None or found.document.traffic != _document(found).traffic:
            found = self._again(found, self._changed(found.document, state))
        elif _behind(found):
            self.place.tell_rollout(msgspec.json.encode(_document(found)))
        if not self._is_entered(state, found.now):
            crowned = self._follow(state)
            self._enter(state, None, crowned=crowned)
        return self.settle(found)

    def settle(self, found: Found) -> Found:
        """Have one version stand alone after the end, when the other need not be kept longer."""
        state = rollout_of(found)
        if state.goes_on or state.settled or not may_settle(state, found.now):
            return found
        stays = state.candidate if state.status == "done" else state.champion
        if not self.place.alone(stays):
            self.keep_seen(replace(found, counted=self.place.counted()))  # they end with a server
            release = release_of(self.project, self.tracker, stays)
            bring(self.project, release, self.name, self.place, progress=self.progress)
        return self.keep(found, settle(state, found.now))

    def keep(self, found: Found, state: State) -> Found:
        """Keep another state, of which neither registry nor log have anything to tell."""
        document = document_of(state, found.generation + 1)
        self.place.keep_rollout(msgspec.json.encode(document), found.kept)
        return replace(
            found,
            kept=self.place.rollout(),
            generation=document.generation,
            state=state,
            document=document,
            lost=False,
        )

    def _again(self, found: Found, why: str) -> Found:
        """Keep what the state says in the place of what the target has."""
        self.progress.log(why)
        state = msgspec.structs.replace(rollout_of(found), moved=found.now)
        return self.move(found, state, reason=why)

    def _changed(self, document: Document | None, state: State) -> str:
        has = document.traffic.percent if document and document.traffic else 0
        return (
            f"the traffic on {self.name} was changed by hand ({has:g} % where the rollout has "
            f"{state.meets:g} %): put back"
        )

    def _follow(self, state: State) -> bool:
        """Have the registry say what a way back means; whether it made its version champion."""
        if state.status != "rolled_back":
            return False
        why = "; ".join(state.why) or "no reason was given"
        return withdraw_version(self.tracker, state.champion, state.candidate, why)

    @contextmanager
    def _recorded(self, state: State, reason: str | None) -> Iterator[None]:
        try:
            yield
        except RolloutMoved:  # another command did, and tells of it
            raise
        except MlopsError as e:
            why = "; ".join(filter(None, (reason, e.message)))
            record(self.project, self._draft(state, "failed", why), copies=None)
            raise
        except BaseException:
            why = "interrupted before its outcome was known"
            record(self.project, self._draft(state, "interrupted", why), copies=None)
            raise

    def _enter(self, state: State, reason: str | None, *, crowned: bool) -> None:
        draft = self._draft(state, "done", reason or "; ".join(state.why) or None)
        if crowned:
            draft = replace(draft, subject={**draft.subject, "alias": "champion"})
        entry = record(self.project, draft, copies=self.tracker)
        keep_anchor(self.place, entry, self.progress)

    def _draft(self, state: State, outcome: str, reason: str | None) -> Draft:
        """The versions by who answers: after a way back that is the champion, whole."""
        back = state.status == "rolled_back"
        pair = (state.champion, state.candidate) if back else (state.candidate, state.champion)
        subject = {
            "target": self.name,
            "digest": pair[0],
            "before": pair[1],
            "weight": f"{100 if back else state.weight:g}",
            "state": state.status,
            "strategy": state.strategy,
            "step": str(state.step),
            "by": state.by,
            "rollout": state.salt,
            _MOVED: state.moved.isoformat(),
        }
        return Draft("rollout", outcome, subject, reason)  # type: ignore[arg-type]  # three of them

    def _is_entered(self, state: State, now: datetime) -> bool:
        """Whether the log has the last move; a command elsewhere may be about to tell of it."""
        if self._tells(known_entries(self.project.root), state):
            return True
        if state.mover != mover_of(self.project) and now - state.moved < _OTHERS:
            return True
        return self._tells(every_entry(self.project.root, self.tracker), state)

    def _tells(self, entries: Mapping[str, Entry], state: State) -> bool:
        moved = state.moved.isoformat()
        return any(
            e.outcome == "done" and e.action == "rollout" and e.subject.get(_MOVED) == moved
            for e in entries.values()
        )


def mover_of(project: Project) -> str:
    """A name of this clone on this machine: its commands take turns."""
    named = f"{os.uname().nodename}\0{project.root.resolve()}"
    return sha256(named.encode()).hexdigest()[:12]


def rollout_of(found: Found) -> State:
    """Its state; raises `EnvironmentFault` where there is no rollout."""
    if found.state is None:
        raise EnvironmentFault("there is no rollout", hint="mlops deploy begins one")
    return found.state


def _document(found: Found) -> Document:
    return document_of(rollout_of(found), found.generation)


def _obeyed(counted: tuple[Counted, ...]) -> Iterator[Document]:
    for one in counted:
        if one.document is not None:
            try:
                document = parse_document(one.document)
                parse_state(document)
            except ValueError:
                continue
            yield document


def _behind(found: Found) -> bool:
    """Whether a server obeys an older document."""
    obeyed = [c.document for c in found.counted]
    wanted = found.generation
    return any(
        document is None or parse_document(document).generation < wanted for document in obeyed
    )
