"""The command `erase`: every row of one subject leaves every place that the project has."""

from __future__ import annotations

import hashlib
import hmac
import os
import secrets
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, replace

import msgspec

from mlops_cli._files import sha256_of
from mlops_cli._locks import locked
from mlops_cli.actions.collect import collect
from mlops_cli.actions.ingest import lock_of_ingest
from mlops_cli.audit.entry import Draft, Outcome
from mlops_cli.audit.graph import deployed_on
from mlops_cli.audit.log import every_entry
from mlops_cli.audit.record import record
from mlops_cli.bundle.manifest import short
from mlops_cli.config.paths import ERASED
from mlops_cli.config.project import Project
from mlops_cli.errors import EnvironmentFault, GateError, MlopsError, UsageError
from mlops_cli.monitoring.collected.recorded import COLLECTING
from mlops_cli.pipeline.erasure import PLACES, open_place
from mlops_cli.pipeline.erasure.base import Place, Search, Subject
from mlops_cli.pipeline.erasure.plan import Plan, Rest, Step, end_plan, keep_plan, kept_plans
from mlops_cli.progress import QUIET, Progress
from mlops_cli.tracking import open_tracker

KEY = "MLOPS_ERASE_KEY"
_WAIT = 60.0  # seconds for another erasure, or a collect, to end


@dataclass(frozen=True, slots=True)
class ErasedPlace:
    """A place, and how many rows of the subject left it, or would."""

    where: str
    rows: int


@dataclass(frozen=True, slots=True)
class EraseResult:
    """What was erased (with `dry_run`: what would be); nothing here names the subject.

    `subject` is the HMAC (64 hex digits) that the audit log has of it. `models` are the versions
    that were fitted on it, by 12 digits: they are tagged, and stay. `failed`: something of `left`
    could be done, and was not; the same command does it. `waiting` are versions that hold a row of
    the subject and are the champion, or answer somewhere: their files go when another one took
    their place, by the same command.
    """

    dry_run: bool
    subject: str | None
    places: list[ErasedPlace]
    models: list[str]
    left: list[Rest]
    failed: bool = False
    waiting: tuple[str, ...] = ()


def erase(
    project: Project,
    subject: str | None = None,
    *,
    dry_run: bool = False,
    progress: Progress = QUIET,
) -> EraseResult:
    """Erase `subject` (`COLUMN=VALUE`) everywhere; None: every place that may hold one, unsearched.

    First everything is found and written down, then erased; what was killed half-way is ended
    first. Raises `UsageError` for a column that no table has, and a value that stands nowhere.
    """
    if subject is None:
        listed = [name for _, place in _places() for name in place.names(project)]
        return EraseResult(True, None, [ErasedPlace(n, 0) for n in listed], [], [])
    named = _subject(subject)
    taken = EnvironmentFault("another erasure of this project is going on", hint="wait for it")
    with (
        locked(project.cache / "erase.lock", otherwise=taken, seconds=_WAIT),
        _no_ingest(project),
    ):
        ended = None if dry_run else _unfinished(project, progress)
        left = _uncollected(project) if dry_run else _collect(project, progress)
        try:
            plan, waits = _search(project, named, left, progress)
        except UsageError:
            if ended is not None:  # it was of this subject
                return ended
            raise
        if dry_run:
            return _result(plan, [*plan.left, *waits], dry_run=True)
        keep_plan(project, plan)
        return _carry_out(project, plan, progress)


def _no_ingest(project: Project) -> AbstractContextManager[object]:
    """Nobody brings rows into the table meanwhile, where it is ingested."""
    if project.config.data.source is None:
        return nullcontext()
    busy = EnvironmentFault(f"{project.config.data.table} is being ingested", hint="wait for it")
    return locked(lock_of_ingest(project), otherwise=busy, seconds=_WAIT)


def _subject(text: str) -> Subject:
    column, equals, value = text.partition("=")
    if not equals or not column.strip() or not value.strip():
        raise UsageError(
            f"--subject {text[:50]!r} does not name a column and a value",
            hint="--subject customer_id=4711",
        )
    return Subject(column.strip(), value.strip())


def _places() -> Iterator[tuple[str, Place]]:
    for module in PLACES:
        yield module, open_place(module)


def _uncollected(project: Project) -> list[Rest]:
    """What servers have logged since the last collect: a dry run fetches nothing."""
    why = "it is collected before anything is erased, and was not looked into now"
    running = deployed_on(every_entry(project.root, None))
    return [Rest(f"the prediction log on {target}", why) for target in running]


def _collect(project: Project, progress: Progress) -> list[Rest]:
    """Bring home what servers have logged, so that it is erased with the rest; what is left."""
    left = []
    for target in deployed_on(every_entry(project.root, None)):
        try:
            collect(project, target=target, closing=True, progress=progress)
        except MlopsError as e:
            left.append(Rest(f"the prediction log on {target}", e.message))
    return left


def _search(
    project: Project, subject: Subject, left: Sequence[Rest], progress: Progress
) -> tuple[Plan, list[Rest]]:
    """What is to be done, and what of it has to wait."""
    search, steps, rest = Search(project, subject, progress), list[Step](), [*left]
    waits = []
    for module, place in _places():
        progress.update(f"looking into {', '.join(place.names(project)[:2])}")
        for found in place.find(search):
            if found.task is None:
                rest.append(Rest(found.where, found.why or "it cannot be rewritten"))
            else:
                steps.append(Step(module, found.where, found.rows, dict(found.task)))
                waits += [Rest(found.where, found.why)] if found.why else []
    if not search.known:
        raise UsageError(
            f"no table of {project.config.project} has a column {subject.column!r}",
            hint="name one of data.id, or of the tables: mlops config",
        )
    if not any(step.rows for step in steps):
        raise UsageError(
            f"no row has {subject.column} = {subject.value!r}, in any place",
            hint="mlops erase --list names the places; is the value written as in the table?",
        )
    digest = _hmac(f"{subject.column}={subject.value}")
    return Plan(digest, subject.column, steps, search.models, rest), waits


def _hmac(text: str) -> str:
    """The subject as the log has it: without a key nobody can find out whom it names."""
    given = os.environ.get(KEY)
    key = given.encode() if given else secrets.token_bytes(32)
    return hmac.new(key, text.encode(), hashlib.sha256).hexdigest()


def _unfinished(project: Project, progress: Progress) -> EraseResult | None:
    """End what was killed or had to wait; the result of the last one."""
    ended = None
    for plan in kept_plans(project):
        ended = _carry_out(project, plan, progress)
    return ended


def _carry_out(project: Project, plan: Plan, progress: Progress) -> EraseResult:
    """Do every step, each whole or not at all, and record that it was done.

    What has to wait for another champion stays planned.
    """
    failed: list[Rest] = []
    waits: list[tuple[Step, Rest]] = []
    taken = EnvironmentFault("a collect of this project is going on", hint="wait for it")
    with locked(project.cache / COLLECTING, otherwise=taken, seconds=_WAIT):
        for done, step in enumerate(plan.steps, 1):
            try:
                open_place(step.place).erase(project, step.task)
            except EnvironmentFault as e:
                failed.append(Rest(step.where, e.message))
            except GateError as e:
                waits.append((step, Rest(step.where, e.message)))
            progress.update("erasing", done=done, total=len(plan.steps))
    _record(project, plan, failed=bool(failed or waits))
    if waits:
        keep_plan(project, msgspec.structs.replace(plan, steps=[step for step, _ in waits]))
    else:
        end_plan(project, plan)
    left = [*plan.left, *failed, *(rest for _, rest in waits)]
    found = _result(plan, left, failed=bool(failed))
    return replace(found, waiting=tuple(short(step.task["digest"]) for step, _ in waits))


def _record(project: Project, plan: Plan, *, failed: bool) -> None:
    file = project.root / ERASED
    evidence = {"erased": sha256_of(file)} if file.is_file() else {}
    subject = {"subject": plan.subject, "column": plan.column}
    outcome: Outcome = "failed" if failed else "done"
    record(project, Draft("erase", outcome, subject, None, evidence), copies=open_tracker(project))


def _result(
    plan: Plan, left: Sequence[Rest], *, dry_run: bool = False, failed: bool = False
) -> EraseResult:
    rows: dict[str, int] = {}
    for step in plan.steps:
        rows[step.where] = rows.get(step.where, 0) + step.rows
    return EraseResult(
        dry_run=dry_run,
        subject=None if dry_run else plan.subject,
        places=[ErasedPlace(where, n) for where, n in rows.items() if n],
        models=[short(digest) for digest in plan.models],
        left=list(left),
        failed=failed,
    )
