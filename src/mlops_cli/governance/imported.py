"""A proven model from elsewhere becomes a version, the champion, and entries of the audit log."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass

from mlops_cli.audit.entry import Draft
from mlops_cli.audit.log import append, every_entry
from mlops_cli.bundle.reader import Bundle
from mlops_cli.config.project import Project
from mlops_cli.errors import InconclusiveError
from mlops_cli.governance.candidate import IMPORTED, RECIPE
from mlops_cli.governance.champion import find_champion
from mlops_cli.governance.decide import evaluate, refusal
from mlops_cli.governance.evidence import evidence
from mlops_cli.governance.gates.base import Case
from mlops_cli.governance.judged import EVIDENCE
from mlops_cli.governance.rules import asks_for_approvals
from mlops_cli.tracking import open_tracker
from mlops_cli.tracking.base import CANDIDATE, CHAMPION, ModelVersion


@dataclass(frozen=True, slots=True)
class Entrant:
    """A model from elsewhere; `metrics` are of the given data, `files` digests of what it is of."""

    bundle: Bundle
    form: str
    metrics: Mapping[str, float]
    files: Mapping[str, str]


def enter(project: Project, entrant: Entrant, *, first: bool) -> ModelVersion:
    """Make the model a version and the champion; what is left to do of an earlier call is done.

    Where approvals are asked it is the candidate, which waits for them.

    Raises `InconclusiveError` where there is a champion, unless it is to be done without it
    (`first`), and `GateError` or `InconclusiveError` where a gate of `register.gates` says no:
    nothing is registered then.
    """
    tracker = open_tracker(project)
    bundle = entrant.bundle
    before = tracker.alias(CHAMPION) if first else find_champion(project, tracker)
    if before is not None and before.digest != bundle.digest and not first:
        raise InconclusiveError(
            f"the champion stays {before.version}: nobody knows on which rows an imported model "
            "was fitted, so no comparison on this project's hold-out would be fair",
            hint="put the same --first behind the command to do without the champion",
        )
    decision = evaluate(Case(project, bundle, entrant.metrics, tracker, before, first))
    if not decision.passed:
        raise refusal(decision)
    proof = evidence(project) | dict(entrant.files)
    version = tracker.register(
        bundle,
        metrics=entrant.metrics,
        tags={
            "metric": project.config.metric,
            IMPORTED: entrant.form,
            RECIPE: project.config.features.model_dump_json(by_alias=True),
            EVIDENCE: json.dumps(proof, sort_keys=True),
        },
    )
    if before is None or before.digest != bundle.digest:
        waits = asks_for_approvals(project, every_entry(project.root, tracker))
        alias = CANDIDATE if waits else CHAMPION
        tracker.set_alias(alias, version, expected=tracker.alias(CANDIDATE) if waits else before)
        known = {"before": before.digest} if before else {}
        known |= {"alias": CANDIDATE} if waits else {}
        why = f"a model of {entrant.form}, trained elsewhere"
        subject = {"digest": bundle.digest}
        append(project.root, Draft("import", "done", subject, why, proof), copies=tracker)
        append(
            project.root, Draft("register", "done", subject | known, None, proof), copies=tracker
        )
    return version
