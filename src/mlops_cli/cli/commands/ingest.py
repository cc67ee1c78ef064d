"""`mlops ingest`: what is new in the table's source."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from mlops_cli.cli.execute import execute
from mlops_cli.cli.options import EnvOption, JsonOption, ProjectOption
from mlops_cli.cli.rendering import echo_remarks
from mlops_cli.cli.terminal import TerminalProgress

if TYPE_CHECKING:
    from mlops_cli.actions.ingest import IngestResult


def ingest_command(
    since: Annotated[
        str | None, typer.Option(metavar="VALUE", help="Bring again what is from there on.")
    ] = None,
    until: Annotated[str | None, typer.Option(metavar="VALUE", help="Stop there.")] = None,
    follow: Annotated[bool, typer.Option("--follow", help="Look again until Ctrl-C.")] = False,
    project: ProjectOption = None,
    env: EnvOption = None,
    as_json: JsonOption = False,
) -> None:
    """Bring what is new in the table's source into data/raw, each row once."""

    def work() -> IngestResult:
        from mlops_cli.actions.ingest import ingest
        from mlops_cli.config.load import load_project

        loaded = load_project(project, env=env)
        return ingest(loaded, since=since, until=until, follow=follow, progress=TerminalProgress())

    execute("ingest", work, _render, as_json=as_json)


def _render(result: IngestResult) -> None:
    echo_remarks(result.remarks)
    if result.rejected:
        typer.echo(f"{result.rejected} records cannot be read: {result.rejects}")
    files = "1 file" if len(result.files) == 1 else f"{len(result.files)} files"
    new = f"{result.rows} rows in {files}" if result.files else "nothing new"
    typer.echo(f"{new}; {result.table} has {result.total} rows")
