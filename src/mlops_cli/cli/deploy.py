"""`mlops deploy`: the champion, where users reach it."""

from __future__ import annotations

from typing import Annotated

import typer

from mlops_cli.cli.frame import execute
from mlops_cli.cli.options import EnvOption, JsonOption, ProjectOption
from mlops_cli.cli.terminal import TerminalProgress
from mlops_cli.config.load import load_project
from mlops_cli.stages.deploy import DeployResult, deploy


def deploy_command(
    target: Annotated[str | None, typer.Option("--target", help="Default: deploy.target.")] = None,
    port: Annotated[
        int | None, typer.Option("--port", min=1, max=65535, help="Default: deploy.port.")
    ] = None,
    stop: Annotated[bool, typer.Option("--stop", help="End what runs for this project.")] = False,
    project: ProjectOption = None,
    env: EnvOption = None,
    as_json: JsonOption = False,
) -> None:
    """Deploy the champion; it counts when it is healthy. Never retrains."""

    def work() -> DeployResult:
        return deploy(
            load_project(project, env=env),
            target=target,
            port=port,
            stop=stop,
            progress=TerminalProgress(),
        )

    execute("deploy", work, _render, as_json=as_json)


def _render(result: DeployResult) -> None:
    if result.url is None:
        typer.echo(f"nothing of this project runs on {result.target} any more")
        return
    typer.echo(f"{(result.digest or '')[:12]} answers at {result.url}")
    typer.echo(f"try: curl {result.url}/v1/predict -d @examples/request.json")
