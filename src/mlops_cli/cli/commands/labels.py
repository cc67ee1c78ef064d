"""`mlops labels`: what came of predictions, from a file."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from mlops_cli.cli.execute import execute
from mlops_cli.cli.options import EnvOption, JsonOption, ProjectOption
from mlops_cli.cli.terminal import TerminalProgress

if TYPE_CHECKING:
    from mlops_cli.actions.labels import LabelsResult


class What(StrEnum):
    """What to do with labels."""

    add = "add"


def labels_command(
    what: Annotated[What, typer.Argument(metavar="add")],
    file: Annotated[
        Path, typer.Argument(metavar="FILE", help="CSV or Parquet: request_id, label, [row, time].")
    ],
    project: ProjectOption = None,
    env: EnvOption = None,
    as_json: JsonOption = False,
) -> None:
    """Add what came of predictions, by request id."""

    def work() -> LabelsResult:
        from mlops_cli.actions.labels import labels
        from mlops_cli.config.load import load_project

        loaded = load_project(project, env=env)
        return labels(loaded, what.value, file, progress=TerminalProgress())

    execute("labels", work, _render, as_json=as_json)


def _render(result: LabelsResult) -> None:
    typer.echo(f"{result.added:,} of {result.labels:,} labels added")
    typer.echo(
        f"{result.predictions:,} collected predictions have one; {result.waiting:,} labels wait"
    )
