"""`mlops package`: the build context of the image, and with --build the image itself."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from mlops_cli.cli import options
from mlops_cli.cli.execute import execute
from mlops_cli.cli.pipeline import Asked, run_stages
from mlops_cli.cli.rendering import render_build, render_run
from mlops_cli.cli.terminal import TerminalProgress
from mlops_cli.errors import UsageError

if TYPE_CHECKING:
    from mlops_cli.actions.build import BuildResult
    from mlops_cli.pipeline.result import RunResult


def package_command(
    build_image: Annotated[
        bool, typer.Option("--build", help="Build the image, and prove it by the golden rows.")
    ] = False,
    batch: options.BatchOption = False,
    push: options.PushOption = False,
    sign: options.SignOption = False,
    key: options.KeyOption = None,
    provenance: options.ProvenanceOption = False,
    project: options.ProjectOption = None,
    env: options.EnvOption = None,
    as_json: options.JsonOption = False,
) -> None:
    """Write the build context of the image; what it needs is brought up to date before."""

    def work() -> RunResult | BuildResult:
        from mlops_cli.actions.build import build
        from mlops_cli.config.load import load_project

        if sign != (key is not None):
            raise UsageError("--sign and --key FILE go together", hint="mlops package --help")
        ran = run_stages(("package",), Asked(project, env, as_json))
        image = build_image or push or batch
        if not (image or sign or provenance):
            return ran
        loaded = load_project(project, env=env)
        progress = TerminalProgress()
        return build(loaded, image=image, batch=batch, push=push, key=key, progress=progress)

    execute("package", work, _render, as_json=as_json)


def _render(result: RunResult | BuildResult) -> None:
    from mlops_cli.pipeline.result import RunResult

    if isinstance(result, RunResult):
        render_run(result)
        return
    render_build(result)
