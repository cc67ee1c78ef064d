"""`mlops init DIR --data FILE --target COLUMN`: a new project; `--update`: a newer template."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from mlops_cli.cli import options
from mlops_cli.cli.execute import execute
from mlops_cli.cli.rendering import render_init
from mlops_cli.cli.terminal import TerminalProgress
from mlops_cli.errors import UsageError

if TYPE_CHECKING:
    from mlops_cli.actions.init import InitResult
    from mlops_cli.actions.update import UpdateResult


def init_command(
    directory: Annotated[
        Path | None, typer.Argument(metavar="DIR", help="The folder to make, or to update.")
    ] = None,
    data: options.DataOption = None,
    target: options.LearnedOption = None,
    time: options.TimeOption = None,
    date_format: options.DateFormatOption = None,
    git: options.GitOption = True,
    reference: options.ReferenceOption = False,
    update: options.UpdateOption = False,
    as_json: options.JsonOption = False,
) -> None:
    """Make a new project straight from a data file; or bring one to a newer template."""

    def work() -> InitResult | UpdateResult:
        from mlops_cli.actions.init import init, parse_format
        from mlops_cli.actions.update import update_project
        from mlops_cli.config.load import load_project

        if update:
            return update_project(load_project(directory))
        if directory is None or data is None or target is None:
            raise UsageError("a new project needs DIR, --data and --target", hint="mlops init -h")
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

    execute("init", work, render_init, as_json=as_json, exit_code=_exit_code)


def _exit_code(result: InitResult | UpdateResult) -> int:
    return UsageError.exit_code if getattr(result, "conflicts", ()) else 0
