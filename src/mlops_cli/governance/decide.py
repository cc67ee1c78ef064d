"""Hold a trained model to the gates of the configuration."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from mlops_cli.bundle.manifest import short
from mlops_cli.config.project import Project
from mlops_cli.config.sections.register import AnyGate, ChampionGate
from mlops_cli.errors import GateError, InconclusiveError, MlopsError
from mlops_cli.governance.candidate import read_candidate
from mlops_cli.governance.champion import find_champion
from mlops_cli.governance.decision import Decision, GateResult, Named
from mlops_cli.governance.gates import open_gate
from mlops_cli.governance.gates.base import Case
from mlops_cli.governance.rules import gates_in_force
from mlops_cli.tracking import open_tracker


def decide(project: Project) -> Decision:
    """What `register` would decide of `model/` now; neither registry nor `decision.json` change.

    Raises what `register` raises before it decides.
    """
    tracker = open_tracker(project)
    candidate = read_candidate(project.root)
    before = find_champion(project, tracker)
    return evaluate(Case(project, candidate.bundle, candidate.metrics, tracker, before))


def evaluate(case: Case) -> Decision:
    """Ask each gate of `register.gates`, in order; a model passes where all of them pass.

    Where approvals are asked the gates are those of the main line.
    """
    asked, commit = gates_in_force(case.project)
    gates = tuple(open_gate(gate).evaluate(case) for gate in asked)
    metric, before = case.project.config.metric, case.champion
    named = Named(case.candidate.digest, case.metrics.get(metric))
    champion = Named(before.digest, _bound(asked, gates)) if before else None
    if before is not None and before.digest == case.candidate.digest:
        champion = named
    return Decision(
        passed=all(g.passed for g in gates),
        digest=case.candidate.digest,
        metric=metric,
        gates=gates,
        champion_before=champion,
        value=named.value,
        detectable=_detectable(gates),
        first=case.first,
        asked=_written(asked) if commit else None,
    )


def by_other_gates(project: Project, decision: Decision) -> bool:
    """Whether the decision was made by other gates than those that count now."""
    asked, commit = gates_in_force(project)
    return decision.asked != (_written(asked) if commit else None)


def _written(asked: Sequence[AnyGate]) -> tuple[dict[str, Any], ...]:
    return tuple(gate.model_dump(mode="json", exclude_none=True) for gate in asked)


def _detectable(gates: tuple[GateResult, ...]) -> float | None:
    return next((g.detectable for g in gates if isinstance(g.detectable, float)), None)


def _bound(asked: tuple[object, ...], gates: tuple[GateResult, ...]) -> float | None:
    """The champion's own value on these rows, by the gate that compares with it."""
    pairs = zip(asked, gates, strict=True)
    return next((g.bound for a, g in pairs if isinstance(a, ChampionGate)), None)


def refusal(decision: Decision) -> MlopsError:
    """The error that says no: `GateError`, or `InconclusiveError` where no gate truly refused."""
    failed = [g for g in decision.gates if not g.passed]
    champion = decision.champion_before
    stays = f"the champion stays {short(champion.digest)}" if champion else "there is no champion"
    message = f"{short(decision.digest)} is refused, {stays}: " + "; ".join(g.why for g in failed)
    if any(g.verdict == "refused" for g in failed):
        return GateError(message, hint="decision.json says why; `register.gates` holds the bounds")
    hint = "decision.json says why; give the hold-out more rows, or ask for another metric"
    if decision.verdict == "inconclusive":
        hint = (
            "decision.json says why; a larger hold-out tells smaller differences apart, and "
            "`mlops register --first` does without the champion"
        )
    elif any(g.gate.startswith("champion:") for g in failed):
        hint = "decision.json says why; `mlops register --first` does without the champion"
    return InconclusiveError(message, hint=hint)
