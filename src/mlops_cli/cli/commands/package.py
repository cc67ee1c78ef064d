"""`mlops package`: the build context of the image, and with --build the image itself."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from mlops_cli.cli.execute import execute
from mlops_cli.cli.options import EnvOption, JsonOption, ProjectOption
from mlops_cli.cli.pipeline import Asked, run_stages
from mlops_cli.cli.rendering import render_run
from mlops_cli.cli.terminal import TerminalProgress

if TYPE_CHECKING:
    from mlops_cli.actions.build import BuildResult
    from mlops_cli.pipeline.result import RunResult


def package_command(
    build_image: Annotated[
        bool, typer.Option("--build", help="Build the image, and prove it by the golden rows.")
    ] = False,
    push: Annotated[
        bool, typer.Option("--push", help="Build it and push it to deploy.registry.")
    ] = False,
    project: ProjectOption = None,
    env: EnvOption = None,
    as_json: JsonOption = False,
) -> None:
    """Write the build context of the image; what it needs is brought up to date before."""

    def work() -> RunResult | BuildResult:
        from mlops_cli.actions.build import build
        from mlops_cli.config.load import load_project

        ran = run_stages(("package",), Asked(project, env, as_json))
        if not (build_image or push):
            return ran
        return build(load_project(project, env=env), push=push, progress=TerminalProgress())

    execute("package", work, _render, as_json=as_json)


def _render(result: RunResult | BuildResult) -> None:
    from mlops_cli.pipeline.result import RunResult

    if isinstance(result, RunResult):
        render_run(result)
        return
    typer.echo(f"{result.image} serves {result.version}")
    typer.echo(f"what it installs: {result.sbom}")
    if result.pushed:
        typer.echo(f"pushed: {result.pushed}")
