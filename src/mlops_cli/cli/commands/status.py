"""`mlops status`: where the project stands."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import typer

from mlops_cli.cli.execute import execute
from mlops_cli.cli.options import EnvOption, JsonOption, ProjectOption

if TYPE_CHECKING:
    from mlops_cli.actions.status import DecisionStatus, StatusResult


def status_command(
    project: ProjectOption = None, env: EnvOption = None, as_json: JsonOption = False
) -> None:
    """Stages, metrics, champion, what is deployed, drift, and what is missing."""

    def work() -> StatusResult:
        from mlops_cli.actions.status import status
        from mlops_cli.config.load import load_project
        from mlops_cli.pipeline.state import stage_states

        loaded = load_project(project, env=env)
        return status(loaded, stages=stage_states(loaded))

    execute("status", work, _render, as_json=as_json)


def _render(result: StatusResult) -> None:
    rows = list(_rows(result))
    width = max(len(name) for name, _ in rows)
    for name, text in rows:
        typer.echo(f"{name:<{width}}  {text}")


def _rows(result: StatusResult) -> Iterator[tuple[str, str]]:
    yield "project", result.project
    for stage in result.stages:
        yield stage.name, stage.state
    for part, metrics in (result.metrics or {}).items():
        yield part, ", ".join(f"{name} {value:.4g}" for name, value in metrics.items())
    if result.decision:
        yield "model", _model(result, result.decision)
    yield "champion", _champion(result)
    for d in result.deployments:
        health = "healthy" if d.healthy else "NOT HEALTHY"
        yield d.target, f"{d.version} at {d.url}, {health} since {d.since:%Y-%m-%d %H:%M} UTC"
    for target in result.unreachable:
        yield target.name, f"DOES NOT ANSWER: {target.why}"
    if not (result.deployments or result.unreachable):
        yield "deployed", "nothing"
    if drift := result.drift:
        verdict = f"drifted: {', '.join(drift.columns)}" if drift.drifted else "quiet"
        yield "drift", f"{verdict} ({drift.current} against {drift.version}, {drift.report})"
    for missing in result.missing:
        yield "missing", f"{missing.name}: {missing.why}; {missing.hint}"


def _model(result: StatusResult, decision: DecisionStatus) -> str:
    if not decision.passed:
        return f"{decision.version}, REFUSED by its gates: {'; '.join(decision.why)}"
    if result.champion and result.champion.digest != decision.digest:
        return f"{decision.version}, passed its gates, and another is the champion since"
    return f"{decision.version}, passed its gates"


def _champion(result: StatusResult) -> str:
    if not (champion := result.champion):
        lost = any(missing.name == "champion" for missing in result.missing)
        return "LOST: see what is missing" if lost else "none yet"
    value = f", {champion.metric_name} {champion.metric:.4f}" if champion.metric else ""
    return f"{champion.version}{value} (version {champion.number} in {champion.registry})"
