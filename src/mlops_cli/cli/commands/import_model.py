"""`mlops import --model FILE --data FILE`: a model that was trained elsewhere."""

from __future__ import annotations

from typing import TYPE_CHECKING

import typer

from mlops_cli.cli import options
from mlops_cli.cli.execute import execute
from mlops_cli.cli.rendering import echo_remarks
from mlops_cli.cli.terminal import TerminalProgress

if TYPE_CHECKING:
    from mlops_cli.actions.import_model import ImportResult


def import_model_command(
    model: options.ModelOption,
    data: options.ImportedDataOption,
    target: options.LearnedOption = None,
    name: options.NameOption = None,
    project: options.NewProjectOption = None,
    trust: options.TrustOption = False,
    numbers: options.NumbersOption = False,
    first: options.FirstOption = False,
    as_json: options.JsonOption = False,
) -> None:
    """Import a model that was trained elsewhere, proven to predict the same; the champion now."""

    def work() -> ImportResult:
        from mlops_cli.actions.import_model import import_model

        return import_model(
            model,
            data,
            target=target,
            name=name,
            project=project,
            trust=trust,
            first=first,
            numbers=numbers,
            progress=TerminalProgress(),
        )

    execute("import", work, _render, as_json=as_json)


def _render(result: ImportResult) -> None:
    where = f"a new project in {result.project}" if result.created else result.project
    typer.echo(f"{result.version} is the champion of {where}")
    typer.echo(
        f"held to {result.form} on {result.rows:,} rows, {result.split_rows:,} of them made of its "
        f"splits: the largest difference is {result.largest:.2g}"
    )
    if result.metrics:
        told = ", ".join(f"{name} {value:.4g}" for name, value in result.metrics.items())
        typer.echo(f"on this data, which it may have been fitted on: {told}")
    echo_remarks(result.remarks)
    typer.echo("next: mlops serve, mlops deploy")
