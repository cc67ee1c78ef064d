"""`mlops validate`: through DVC, or once against the wall clock."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from mlops_cli.cli.colour import paint
from mlops_cli.cli.execute import execute
from mlops_cli.cli.options import EnvOption, JsonOption, ProjectOption
from mlops_cli.cli.pipeline import Asked, run_stages
from mlops_cli.cli.rendering import render_run
from mlops_cli.cli.terminal import TerminalProgress

if TYPE_CHECKING:
    from mlops_cli.stages.validate import ValidateResult


def validate_command(
    now: Annotated[
        bool, typer.Option("--now", help="Hold freshness to the wall clock; write nothing.")
    ] = False,
    project: ProjectOption = None,
    env: EnvOption = None,
    as_json: JsonOption = False,
) -> None:
    """Hold the tables to their contracts."""
    asked = Asked(project, env, as_json)
    if now:
        execute("validate", lambda: _validate(asked), _render, as_json=as_json)
    else:
        execute("validate", lambda: run_stages(("validate",), asked), render_run, as_json=as_json)


def _validate(asked: Asked) -> ValidateResult:
    from mlops_cli.config.load import load_project
    from mlops_cli.stages.validate import validate

    return validate(
        load_project(asked.project, env=asked.env), progress=TerminalProgress(), now=True
    )


def _render(result: ValidateResult) -> None:
    for table in result.tables:
        newest = f", the newest of {table.newest}" if table.newest else ""
        bad = paint(f"{table.bad_rows:,} bad", "red" if table.bad_rows else "green")
        typer.echo(f"{table.table}: {table.rows:,} rows{newest}, {bad}")
