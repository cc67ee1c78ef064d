"""`mlops collect`: the prediction log of what is deployed, brought to `monitoring/`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from mlops_cli.cli.execute import execute
from mlops_cli.cli.options import EnvOption, JsonOption, ProjectOption, TargetOption
from mlops_cli.cli.rendering import echo_remarks
from mlops_cli.cli.terminal import TerminalProgress

if TYPE_CHECKING:
    from mlops_cli.actions.collect import CollectResult


def collect_command(
    target: TargetOption = None,
    files: Annotated[
        list[Path] | None,
        typer.Option("--from", metavar="FILE", help="Segments that another server wrote."),
    ] = None,
    project: ProjectOption = None,
    env: EnvOption = None,
    as_json: JsonOption = False,
) -> None:
    """Bring what the deployed service has logged into monitoring/, each segment once."""

    def work() -> CollectResult:
        from mlops_cli.actions.collect import collect
        from mlops_cli.config.load import load_project

        loaded, told = load_project(project, env=env), TerminalProgress()
        return collect(loaded, target=target, files=files or (), progress=told)

    execute("collect", work, _render, as_json=as_json)


def _render(result: CollectResult) -> None:
    labels = f" and {result.labels:,} labels" if result.labels else ""
    typer.echo(
        f"{result.rows:,} predictions{labels} of {result.segments:,} segments to {result.folder}"
    )
    if result.unreadable:
        echo_remarks([f"{result.unreadable:,} lines could not be read, and are left out"])
    if result.dropped:
        echo_remarks([f"{len(result.dropped)} days are older than monitor.keep, and are removed"])
