"""A model that passed its gates becomes a version, the champion, and an entry of the audit log."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import TypeVar

from mlops_cli.audit.entry import REASON_LIMIT, Draft, Entry
from mlops_cli.audit.graph import champion as last_champion
from mlops_cli.audit.graph import champions, in_order
from mlops_cli.audit.log import every_entry
from mlops_cli.audit.record import record
from mlops_cli.bundle.manifest import short
from mlops_cli.config.paths import DECISION
from mlops_cli.config.project import Project
from mlops_cli.errors import EnvironmentFault, GateError, InconclusiveError
from mlops_cli.governance.approvals import made_from
from mlops_cli.governance.candidate import Candidate, read_candidate
from mlops_cli.governance.champion import kept_champion, lost_champion
from mlops_cli.governance.decide import by_other_gates
from mlops_cli.governance.decision import read_decision
from mlops_cli.governance.evidence import evidence
from mlops_cli.governance.judged import EVIDENCE, Model, register_version, subject_of
from mlops_cli.governance.main_line import off_main_line
from mlops_cli.governance.promotion import keep_previous
from mlops_cli.governance.result import Registration, Wish
from mlops_cli.governance.rules import asks_for_approvals
from mlops_cli.governance.tie import settle_tie
from mlops_cli.governance.waiting import put_forward, refuse_uncommitted
from mlops_cli.governance.withdrawal import standing
from mlops_cli.progress import QUIET, Progress
from mlops_cli.tracking import open_tracker
from mlops_cli.tracking.base import (
    CHAMPION,
    DEPRECATED,
    WITHDRAWN,
    AliasMoved,
    ModelVersion,
)

_TURNS = 5  # comparisons with a champion that another replaced meanwhile, at the most
T = TypeVar("T")


def settle(
    project: Project,
    evaluate: Callable[[], tuple[T, bool]],
    wish: Wish,
    enter: Callable[[Wish], Registration | None],
) -> tuple[T, Registration]:
    """Judge by `evaluate` (its result, and whether the gates were asked) and enter what passed.

    Where another model became the champion meanwhile, such as from another clone, it is judged
    again, of that one; `EnvironmentFault` where that happens every time. What the gates refuse is
    recorded, and raised.
    """
    if wish.asked and not wish.first:
        _restore(project)
    for _ in range(_TURNS):
        try:
            result, judged = evaluate()
        except (GateError, InconclusiveError) as e:
            record_refusal(project, wish, e.message)
            raise
        found = enter(Wish(wish.asked, wish.first, judged))
        if found is not None:
            return result, found
        (project.root / DECISION).unlink(missing_ok=True)
    raise EnvironmentFault(
        f"another model became the champion at {open_tracker(project).address} {_TURNS} times "
        "while this one was compared with the one before",
        hint="run `mlops register` again when nobody else registers",
    )


def _restore(project: Project) -> None:
    """Put the champion of the log into the project's own registry, which has lost it."""
    if (kept := kept_champion(project)) is None:
        return
    tracker = open_tracker(project)
    if tracker.alias(CHAMPION) is None:
        proof = made_from(every_entry(project.root, None), kept.digest)
        version = tracker.register(kept, tags={EVIDENCE: json.dumps(proof, sort_keys=True)})
        tracker.set_alias(CHAMPION, version, expected=None)


def enter(project: Project, wish: Wish, *, progress: Progress = QUIET) -> Registration | None:
    """Make the model that `decision.json` lets through a version, the champion, and an entry.

    Only on the main line, or where it is asked for. Does what is left to do, so that it ends the
    same after it was killed at any point. None where the decision does not let this model
    through against the champion of now: judge again. Raises `EnvironmentFault` where the registry
    has lost its champion.
    """
    candidate, decision = read_candidate(project.root), read_decision(project.root)
    if decision is None or not decision.passed or decision.digest != candidate.bundle.digest:
        return None
    if not wish.asked and (why := off_main_line(project)):
        return _left(candidate, why)
    if by_other_gates(project, decision):
        return None
    model = Model(project, open_tracker(project), candidate, decision)
    try:
        current = model.tracker.alias(CHAMPION)
    except EnvironmentFault as e:
        if wish.asked or wish.judged:
            raise
        return _left(candidate, e.message)  # nothing changed: nobody needs the registry now
    waits = wish.candidate or asks_for_approvals(project, model.entries())
    if current is not None and current.digest == decision.digest:
        if not waits:  # an alias that was moved by hand approves of nothing
            record_champion(model)
        return is_champion(model, current)
    if left := _left_as_it_is(model, current, wish):
        return left
    compared = standing(project, model.tracker, current) if current is not None else None
    if (compared.digest if compared else None) != model.before:
        return None
    return put_forward(model, wish, progress) if waits else crown(model, current, progress)


def _left_as_it_is(model: Model, current: ModelVersion | None, wish: Wish) -> Registration | None:
    """What is told of a model that passed its gates, and is not registered; None where it is."""
    if not wish.first and current is None:
        lost = lost_champion(model.project, model.tracker.address)
        if lost and (wish.asked or wish.judged):
            raise lost
        return _left(model.candidate, lost.message) if lost else None
    if why := was_champion(model, current):
        version = model.candidate.bundle.version
        return _left(model.candidate, why, command=f"mlops promote {version}")
    return None


def crown(model: Model, current: ModelVersion | None, progress: Progress) -> Registration | None:
    """Version, alias, entry; None where another model became the champion meanwhile."""
    known = model.entries().keys()
    version = register_version(model)
    try:
        model.tracker.set_alias(CHAMPION, version, expected=current)
    except AliasMoved:
        return None
    made = record_champion(model)
    if made and settle_tie(model.project, model.tracker, made, known) != version.digest:
        return None
    keep_previous(model.project, model.tracker)
    progress.log(f"{version.version} is the champion")
    return is_champion(model, version)


def record_refusal(project: Project, wish: Wish, told: str) -> None:
    """Record that the gates refused `model/`, once for each decision; nothing off the main line.

    Raises `UsageError` where approvals are asked and no commit holds what it was made from: such a
    model is nothing that anybody decides of. `told` is what the gates say.
    """
    decision = read_decision(project.root)
    if decision is None or decision.passed or (not wish.asked and off_main_line(project)):
        return
    if asks_for_approvals(project, every_entry(project.root, None)):
        refuse_uncommitted(project, short(decision.digest), told)
    why = "; ".join(gate.why for gate in decision.gates if not gate.passed)
    draft = Draft(
        "register", "refused", subject_of(decision), why[:REASON_LIMIT], evidence(project)
    )
    entries = in_order(every_entry(project.root, None))
    last = next((e for e in reversed(entries) if e.action == "register"), None)
    if last is None or (last.subject, last.reason) != (draft.subject, draft.reason):
        record(project, draft, copies=open_tracker(project))


def _left(candidate: Candidate, why: str, command: str = "mlops register") -> Registration:
    bundle = candidate.bundle
    return Registration("not registered", bundle.digest, bundle.version, why=why, command=command)


def is_champion(model: Model, version: ModelVersion) -> Registration:
    """What is told of a model that is the champion."""
    return Registration(
        "champion",
        version.digest,
        version.version,
        version.number,
        champion=version.digest,
        champion_before=model.before,
    )


def was_champion(model: Model, current: ModelVersion | None) -> str | None:
    """Why only `promote` makes it the champion, which it was before; None where it never was.

    By the log; a version of a release that kept no log was one, or was refused as one.
    """
    digest = model.decision.digest
    known = next((v for v in model.tracker.versions() if v.digest == digest), None)
    if known is None:
        return None
    if known.tags.keys() & {DEPRECATED, WITHDRAWN}:
        return "it was withdrawn"
    if EVIDENCE not in known.tags or digest in champions(model.entries()):
        by = f", and {current.version} replaced it" if current else ""
        return f"it was the champion before{by}"
    return None


def record_champion(model: Model) -> Entry | None:
    """Record the champion; None where the log or the registry's copy has it as the last already."""
    decision = model.decision
    if last_champion(model.entries()) == decision.digest:
        return None
    draft = Draft("register", "done", subject_of(decision), None, model.evidence())
    return record(model.project, draft, copies=model.tracker)
