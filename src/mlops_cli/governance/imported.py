"""A proven model from elsewhere becomes a version, the champion, and entries of the audit log."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from mlops_cli.audit.entry import Draft
from mlops_cli.audit.record import record
from mlops_cli.bundle.reader import Bundle
from mlops_cli.config.project import Project
from mlops_cli.errors import EnvironmentFault, InconclusiveError, UsageError
from mlops_cli.governance.candidate import IMPORTED, Candidate
from mlops_cli.governance.champion import find_champion
from mlops_cli.governance.decide import evaluate, refusal
from mlops_cli.governance.evidence import evidence_of_import
from mlops_cli.governance.gates.base import Case
from mlops_cli.governance.judged import Model, register_version
from mlops_cli.governance.registration import crown, record_champion, was_champion
from mlops_cli.governance.result import Wish
from mlops_cli.governance.rules import asks_for_approvals
from mlops_cli.governance.waiting import put_forward
from mlops_cli.progress import QUIET, Progress
from mlops_cli.tracking import open_tracker
from mlops_cli.tracking.base import CHAMPION, ModelVersion


@dataclass(frozen=True, slots=True)
class Entrant:
    """A model from elsewhere; `metrics` are of the given data, `files` digests of what it is of."""

    bundle: Bundle
    form: str
    metrics: Mapping[str, float]
    files: Mapping[str, str]


def enter(
    project: Project, entrant: Entrant, *, first: bool, progress: Progress = QUIET
) -> ModelVersion:
    """Make the model a version and the champion; what is left to do of an earlier call is done.

    Where approvals are asked it is the candidate, which waits for them.

    Raises `InconclusiveError` where there is a champion, unless it is to be done without it
    (`first`), and `GateError` or `InconclusiveError` where a gate of `register.gates` says no:
    nothing is registered then. `UsageError` for one that was the champion before, which only
    `promote` makes it again, `EnvironmentFault` where another became the champion meanwhile.
    """
    tracker = open_tracker(project)
    bundle = entrant.bundle
    before = tracker.alias(CHAMPION) if first else find_champion(project, tracker)
    is_it = before is not None and before.digest == bundle.digest
    if before is not None and not is_it and not first:
        raise InconclusiveError(
            f"the champion stays {before.version}: nobody knows on which rows an imported model "
            "was fitted, so no comparison on this project's hold-out would be fair",
            hint="put the same --first behind the command to do without the champion",
        )
    decision = evaluate(Case(project, bundle, entrant.metrics, tracker, before, first))
    if not decision.passed:
        raise refusal(decision)
    model = Model(
        project,
        tracker,
        Candidate(bundle, dict(entrant.metrics)),
        decision,
        evidence_of_import(project, bundle, entrant.files),
        {IMPORTED: entrant.form},
    )
    if not is_it and (why := was_champion(model, before)):
        raise UsageError(
            f"{bundle.version} is not imported again: {why}", hint=f"mlops promote {bundle.version}"
        )
    version = register_version(model)
    _record(model, entrant.form)
    waits = asks_for_approvals(project, model.entries())
    if is_it:
        if not waits:
            record_champion(model)
    elif waits:
        put_forward(model, Wish(asked=True, first=first), progress)
    elif crown(model, before, progress) is None:
        raise EnvironmentFault(
            f"another model became the champion at {tracker.address} meanwhile",
            hint="`mlops status` shows it; run the command again",
        )
    return version


def _record(model: Model, form: str) -> None:
    """Record that it was imported, once for what it was made from."""
    subject, proof = {"digest": model.decision.digest}, model.evidence()
    done = (e for e in model.entries().values() if (e.action, e.subject) == ("import", subject))
    if not any(e.evidence.get("inputs") == proof["inputs"] for e in done):
        why = f"a model of {form}, trained elsewhere"
        record(model.project, Draft("import", "done", subject, why, proof), copies=model.tracker)
