"""`mlops compare A [B]`: what differs between two states of a project."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from mlops_cli.cli.execute import execute
from mlops_cli.cli.options import EnvOption, JsonOption, ProjectOption
from mlops_cli.cli.rendering import render_comparison

if TYPE_CHECKING:
    from mlops_cli.actions.compare import CompareResult

_WHAT = "A git revision, an experiment of DVC, a version (champion, 12 digits), or a run's id."


def compare_command(
    a: Annotated[str, typer.Argument(metavar="A", help=_WHAT)],
    b: Annotated[str, typer.Argument(metavar="[B]", help="The same.")] = "workspace",
    project: ProjectOption = None,
    env: EnvOption = None,
    as_json: JsonOption = False,
) -> None:
    """Metrics of two states, and what differs in data, contracts, features and settings."""

    def work() -> CompareResult:
        from mlops_cli.actions.compare import compare
        from mlops_cli.config.load import load_project

        return compare(load_project(project, env=env), a, b)

    execute("compare", work, render_comparison, as_json=as_json)
