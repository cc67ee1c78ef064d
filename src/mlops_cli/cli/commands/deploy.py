"""`mlops deploy`: the champion, where users reach it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from mlops_cli.cli.execute import execute
from mlops_cli.cli.options import EnvOption, JsonOption, PortOption, ProjectOption, TargetOption
from mlops_cli.cli.rendering import render_deploy
from mlops_cli.cli.terminal import TerminalProgress
from mlops_cli.errors import UsageError

if TYPE_CHECKING:
    from mlops_cli.actions.deploy import DeployResult, PlanResult, RenderResult

    Result = DeployResult | PlanResult | RenderResult


def deploy_command(
    target: TargetOption = None,
    port: PortOption = None,
    only_plan: Annotated[
        bool, typer.Option("--plan", help="Say what would change, and change nothing.")
    ] = False,
    render_to: Annotated[
        Path | None, typer.Option("--render", metavar="DIR", help="Write what would be applied.")
    ] = None,
    stop: Annotated[bool, typer.Option("--stop", help="End what runs for this project.")] = False,
    expect: Annotated[
        str | None,
        typer.Option("--expect", metavar="VERSION", help="Only if this is the champion."),
    ] = None,
    project: ProjectOption = None,
    env: EnvOption = None,
    as_json: JsonOption = False,
) -> None:
    """Deploy, plan, render or stop."""

    def work() -> Result:
        from mlops_cli.actions.deploy import deploy, plan, render
        from mlops_cli.config.load import load_project

        if only_plan + stop + (render_to is not None) > 1:
            raise UsageError("--plan, --render and --stop are three commands", hint="choose one")
        loaded = load_project(project, env=env)
        if only_plan:
            return plan(loaded, target=target, port=port, expect=expect)
        if render_to is not None:
            return render(loaded, render_to, target=target, port=port, expect=expect)
        told = TerminalProgress()
        return deploy(loaded, target=target, port=port, stop=stop, expect=expect, progress=told)

    execute("deploy", work, render_deploy, as_json=as_json)
