"""`mlops receipt`: what stands behind one prediction, in one file."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from mlops_cli.cli.execute import execute
from mlops_cli.cli.options import EnvOption, JsonOption, ProjectOption

if TYPE_CHECKING:
    from mlops_cli.actions.receipt import ReceiptResult


def receipt_command(
    request_id: Annotated[str, typer.Argument(metavar="REQUEST_ID", help="Of the answer.")],
    out: Annotated[Path, typer.Option("--out", metavar="FILE", help="Where the receipt goes.")],
    verifier: Annotated[
        Path | None,
        typer.Option("--verifier", metavar="FILE", help="Write the program that checks it, too."),
    ] = None,
    version: Annotated[
        str | None,
        typer.Option("--version", metavar="VERSION", help="Whose answer, where several gave one."),
    ] = None,
    partial: Annotated[
        bool, typer.Option("--partial", help="Also where the log keeps too little for the number.")
    ] = False,
    key: Annotated[
        Path | None, typer.Option("--key", metavar="FILE", help="An OpenSSH key that signs it.")
    ] = None,
    project: ProjectOption = None,
    env: EnvOption = None,
    as_json: JsonOption = False,
) -> None:
    """Write what stands behind a prediction of the collected log."""

    def work() -> ReceiptResult:
        from mlops_cli.actions.receipt import Asked, receipt
        from mlops_cli.config.load import load_project

        asked = Asked(version, partial, key, verifier)
        return receipt(load_project(project, env=env), request_id, out.absolute(), asked=asked)

    execute("receipt", work, _render, as_json=as_json)


def _render(result: ReceiptResult) -> None:
    number = "with" if result.number else "without"
    rows = "1 row" if result.rows == 1 else f"{result.rows} rows"
    typer.echo(f"{result.file}: {rows} by {result.version}, {number} the number")
    for text in result.left_out:
        typer.echo(f"left out: {text}")
    if result.verifier:
        typer.echo(f"check it: python {result.verifier} {result.file}")
