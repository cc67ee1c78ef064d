"""`mlops deploy`: the champion, where users reach it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from mlops_cli.cli.execute import execute, relative
from mlops_cli.cli.options import EnvOption, JsonOption, ProjectOption
from mlops_cli.cli.terminal import TerminalProgress
from mlops_cli.errors import UsageError

if TYPE_CHECKING:
    from mlops_cli.actions.deploy import DeployResult, PlanResult, RenderResult

    Result = DeployResult | PlanResult | RenderResult


def deploy_command(
    target: Annotated[str | None, typer.Option("--target", help="Default: deploy.target.")] = None,
    port: Annotated[
        int | None,
        typer.Option(
            "--port", min=1, max=65535, help="Default: that of what runs, else deploy.port."
        ),
    ] = None,
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
    """Deploy the champion; it counts when it is healthy. Never retrains."""

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
        return deploy(
            loaded,
            target=target,
            port=port,
            stop=stop,
            expect=expect,
            progress=TerminalProgress(),
        )

    execute("deploy", work, _render, as_json=as_json)


def _render(result: Result) -> None:
    from mlops_cli.actions.deploy import DeployResult, PlanResult, RenderResult

    match result:
        case PlanResult(changes=()):
            typer.echo(f"{result.version} runs on {result.target} already: nothing to change")
        case PlanResult():
            for change in result.changes:
                typer.echo(f"{change.action} {change.kind} {change.name}")
                for line in change.detail.splitlines():
                    typer.echo(f"  {line}")
        case RenderResult():
            for file in result.files:
                typer.echo(relative(file))
        case DeployResult(url=None):
            typer.echo(f"nothing of this project runs on {result.target} any more")
        case DeployResult():
            typer.echo(f"{(result.digest or '')[:12]} answers at {result.url}")
            typer.echo(f"try: curl {result.url}/v1/predict -d @examples/request.json")
