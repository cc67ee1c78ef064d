"""`mlops deploy`: the champion, or another version, where users reach it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from mlops_cli.cli.execute import execute
from mlops_cli.cli.options import EnvOption, JsonOption, PortOption, ProjectOption, TargetOption
from mlops_cli.cli.rendering import render_deploy
from mlops_cli.cli.terminal import TerminalProgress
from mlops_cli.errors import UsageError

if TYPE_CHECKING:
    from mlops_cli.actions.bring import DeployResult
    from mlops_cli.actions.deploy import PlanResult, RenderResult

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
    version: Annotated[
        str | None, typer.Option("--version", metavar="VERSION", help="One by 12 digits.")
    ] = None,
    expect: Annotated[
        str | None, typer.Option("--expect", metavar="VERSION", help="Only if it is champion.")
    ] = None,
    project: ProjectOption = None,
    env: EnvOption = None,
    as_json: JsonOption = False,
) -> None:
    """Deploy, plan, render or stop."""

    def work() -> Result:
        from mlops_cli.actions import deploy as action
        from mlops_cli.config.load import load_project

        if only_plan + stop + (render_to is not None) > 1:
            raise UsageError("--plan, --render and --stop are three commands", hint="choose one")
        if version and (stop or expect):
            raise UsageError("--version names what is deployed", hint="no --expect, no --stop")
        loaded, told = load_project(project, env=env), TerminalProgress()
        what: Any = {"target": target, "port": port, "version": version, "expect": expect}
        if only_plan:
            return action.plan(loaded, **what)
        if render_to is not None:
            return action.render(loaded, render_to, **what)
        return action.deploy(loaded, **what, stop=stop, progress=told)

    execute("deploy", work, render_deploy, as_json=as_json)
