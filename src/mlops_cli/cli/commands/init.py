"""`mlops init DIR --data FILE --target COLUMN`: a new project."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from mlops_cli.cli.execute import execute
from mlops_cli.cli.options import JsonOption
from mlops_cli.cli.rendering import render_init
from mlops_cli.cli.terminal import TerminalProgress

if TYPE_CHECKING:
    from mlops_cli.actions.init import InitResult


def init_command(
    directory: Annotated[Path, typer.Argument(metavar="DIR", help="The folder to make.")],
    data: Annotated[Path, typer.Option("--data", metavar="FILE", help="CSV or Parquet.")],
    target: Annotated[str, typer.Option("--target", help="A column, or 'name = expression'.")],
    time: Annotated[
        str | None, typer.Option("--time", metavar="COLUMN", help="When an event happened.")
    ] = None,
    date_format: Annotated[
        list[str] | None,
        typer.Option(metavar="COLUMN=FORMAT", help="How dates are written: %d/%m/%Y, epoch_ms."),
    ] = None,
    git: Annotated[bool, typer.Option("--git/--no-git", help="Keep it in git.")] = True,
    reference: Annotated[
        bool, typer.Option("--reference", help="Leave the data where it is; a clone lacks it.")
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """Make a new project straight from a data file; say what was guessed, and why."""

    def work() -> InitResult:
        from mlops_cli.actions.init import init, parse_format

        return init(
            directory,
            data=data,
            target=target,
            time=time,
            formats=dict(parse_format(option) for option in date_format or ()),
            git=git,
            reference=reference,
            progress=TerminalProgress(),
        )

    execute("init", work, render_init, as_json=as_json)
