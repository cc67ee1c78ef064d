"""Hold the trained model to its gates, and write down what they say."""

from __future__ import annotations

import os
from dataclasses import dataclass

from mlops_cli._files import write_text
from mlops_cli.config.paths import DECISION, EVALUATION, EVALUATION_PAGE
from mlops_cli.config.project import Project
from mlops_cli.evaluation.beside import Champion
from mlops_cli.evaluation.report import read_report
from mlops_cli.governance.candidate import read_candidate
from mlops_cli.governance.champion import find_champion
from mlops_cli.governance.decide import evaluate, refusal
from mlops_cli.governance.decision import GateResult, write_decision
from mlops_cli.governance.gates.base import Case
from mlops_cli.governance.gates.hold_out import hold_out_of
from mlops_cli.governance.rules import gates_in_force
from mlops_cli.governance.withdrawal import standing
from mlops_cli.progress import QUIET, Progress
from mlops_cli.reports.evaluation.page import evaluation_page
from mlops_cli.stages import FIRST
from mlops_cli.tracking import open_tracker
from mlops_cli.tracking.base import CHAMPION


@dataclass(frozen=True, slots=True)
class RegisterResult:
    """The decision; `champion_before` is the digest of whom the model was compared with."""

    passed: bool
    digest: str
    version: str
    champion_before: str | None
    gates: tuple[GateResult, ...]
    decision: str


def register(
    project: Project,
    *,
    first: bool = False,
    experiment: bool = False,
    progress: Progress = QUIET,
) -> RegisterResult:
    """Hold `model/` to `register.gates`; write `decision.json` and `reports/evaluation.html`.

    The page has the champion beside the model; the registry stays as it is.

    `first`, or MLOPS_FIRST=1 in the environment, does without a champion. A refusal of an
    `experiment` is a result as any other; else it raises `GateError`
    where a gate refuses and `InconclusiveError` where one cannot decide, after the decision is
    written; `EnvironmentFault` where the registry has lost its champion.
    """
    first = first or os.environ.get(FIRST) == "1"
    tracker = open_tracker(project)
    candidate = read_candidate(project.root)
    before = tracker.alias(CHAMPION) if first else find_champion(project, tracker)
    if before is not None:  # while its rollout goes on it is no champion to be compared with
        before = standing(project, tracker, before)
    case = Case(project, candidate.bundle, candidate.metrics, tracker, before, first)
    decision = evaluate(case)
    write_decision(project.root, decision)
    _write_page(case)
    gates, commit = gates_in_force(project)
    if commit and gates != project.config.register_.gates:
        progress.log(f"the gates are those of the main line ({commit[:12]}), not those here")
    if not decision.passed and not experiment:
        raise refusal(decision)
    said = f"{candidate.bundle.version} passed its gates"
    progress.log(said if decision.passed else refusal(decision).message)
    return RegisterResult(
        passed=decision.passed,
        digest=decision.digest,
        version=candidate.bundle.version,
        champion_before=before.digest if before else None,
        gates=decision.gates,
        decision=DECISION,
    )


def _write_page(case: Case) -> None:
    """The evaluation that training wrote of this model, with the champion beside it."""
    root = case.project.root
    if not (root / EVALUATION).is_file():
        return
    report = read_report(root)
    if report.version == case.candidate.judged_digest:
        page = evaluation_page(case.project.config.project, report, _champion(case))
        write_text(root / EVALUATION_PAGE, page)


def _champion(case: Case) -> Champion | None:
    if case.champion is None or case.first:
        return None
    if case.champion.digest == case.candidate.digest:
        return Champion(case.champion.digest, why="it is this very model")
    return hold_out_of(case).beside(case.champion)
