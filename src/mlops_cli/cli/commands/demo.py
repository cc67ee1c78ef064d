"""`mlops demo`: the whole loop on bundled real data."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from mlops_cli.cli.execute import execute
from mlops_cli.cli.options import JsonOption

if TYPE_CHECKING:
    from mlops_cli.actions.demo import DemoResult


def demo_command(
    directory: Annotated[
        Path | None, typer.Argument(metavar="[DIR]", help="Must not exist; default: a new folder.")
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Run the whole loop."""

    def work() -> DemoResult:
        from mlops_cli.actions.demo import demo

        return demo(directory) if as_json else demo(directory, on_line=typer.echo)

    execute("demo", work, _render, as_json=as_json)


def _render(result: DemoResult) -> None:
    typer.echo(f"""
made in {result.project}:
  mlops.yaml             the configuration       model/              the bundle that is served
  reports/drift.html     what drifted            decision.json       why it became the champion
  metrics.json           how good it is          mlflow.db           every trial, run and version
try next, in that folder:
  mlops status
  dvc metrics show
  mlops serve""")
