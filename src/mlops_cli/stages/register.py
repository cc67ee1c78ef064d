"""Hold the trained model to its gates and make it the champion, or say why not."""

from __future__ import annotations

import os
from dataclasses import dataclass

from mlops_cli.config.paths import DECISION
from mlops_cli.config.project import Project
from mlops_cli.errors import EnvironmentFault
from mlops_cli.governance.candidate import RECIPE, Candidate, provenance, read_candidate
from mlops_cli.governance.champion import find_champion
from mlops_cli.governance.decide import evaluate, refusal
from mlops_cli.governance.decision import Decision, GateResult, write_decision
from mlops_cli.governance.gates.base import Case
from mlops_cli.progress import QUIET, Progress
from mlops_cli.stages import FIRST
from mlops_cli.tracking import open_tracker
from mlops_cli.tracking.base import CHAMPION, AliasMoved, ModelVersion, Tracker

_TURNS = 5  # comparisons with a champion that another replaced meanwhile, at the most


@dataclass(frozen=True, slots=True)
class RegisterResult:
    """The decision: `champion` and `champion_before` are digests; `number` is the registry's."""

    passed: bool
    digest: str
    version: str
    number: str
    champion: str
    champion_before: str | None
    gates: tuple[GateResult, ...]
    decision: str


def register(
    project: Project, *, first: bool = False, progress: Progress = QUIET
) -> RegisterResult:
    """Hold `model/` to `register.gates`; passing makes it a version, and the champion.

    `first`, or MLOPS_FIRST=1 in the environment, does without a champion. Writes `decision.json`,
    then raises `GateError` where a gate refuses and `InconclusiveError` where one cannot decide;
    the registry stays as it was. Raises `EnvironmentFault` where the registry knows no champion
    and the last decision names one. Run again after it was killed at any point, it ends as if it
    had not been.

    Where another became the champion meanwhile, such as from another clone, it decides again, of
    that one; `EnvironmentFault` where that happens every time. MLflow has no compare-and-set: who
    becomes the champion in the milliseconds between the last look and the change is replaced.
    """
    first = first or os.environ.get(FIRST) == "1"
    tracker = open_tracker(project)
    candidate = read_candidate(project.root)
    for _ in range(_TURNS):
        before = tracker.alias(CHAMPION) if first else find_champion(project, tracker)
        case = Case(project, candidate.bundle, candidate.metrics, tracker, before, first)
        decision = evaluate(case)
        if not _still_champion(before, tracker):
            continue
        if not decision.passed:
            write_decision(project.root, decision)
            raise refusal(decision)
        version = _register(project, candidate, tracker)
        write_decision(project.root, decision)
        try:
            tracker.set_alias(CHAMPION, version, expected=before)
        except AliasMoved:
            continue
        progress.log(f"{version.version} is the champion")
        return _registered(version, before, decision)
    raise EnvironmentFault(
        f"another model became the champion at {tracker.address} {_TURNS} times while this one was "
        "compared with the one before",
        hint="run `mlops register` again when nobody else registers",
    )


def _still_champion(before: ModelVersion | None, tracker: Tracker) -> bool:
    now = tracker.alias(CHAMPION)
    return (now and now.digest) == (before and before.digest)


def _registered(
    version: ModelVersion, before: ModelVersion | None, decision: Decision
) -> RegisterResult:
    return RegisterResult(
        passed=True,
        digest=version.digest,
        version=version.version,
        number=version.number,
        champion=version.digest,
        champion_before=before.digest if before else None,
        gates=decision.gates,
        decision=DECISION,
    )


def _register(project: Project, candidate: Candidate, tracker: Tracker) -> ModelVersion:
    run_id = provenance(candidate.bundle).get("run_id")
    return tracker.register(
        candidate.bundle,
        run_id=run_id if isinstance(run_id, str) else None,
        metrics={k: v for k, v in candidate.metrics.items() if v is not None},
        tags={
            "metric": project.config.metric,
            RECIPE: project.config.features.model_dump_json(by_alias=True),
        },
    )
