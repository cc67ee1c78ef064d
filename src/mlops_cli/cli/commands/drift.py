"""`mlops drift --current FILE`: has the data moved away from what the model was fitted on?"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from mlops_cli.cli.colour import paint
from mlops_cli.cli.execute import execute
from mlops_cli.cli.look import row
from mlops_cli.cli.options import BundleOption, EnvOption, JsonOption, ProjectOption
from mlops_cli.cli.rendering import echo_rows
from mlops_cli.cli.terminal import TerminalProgress
from mlops_cli.errors import DriftError

if TYPE_CHECKING:
    from mlops_cli.actions.drift import DriftResult


def drift_command(
    current: Annotated[Path, typer.Option("--current", metavar="FILE", help="CSV or Parquet.")],
    bundle: BundleOption = None,
    project: ProjectOption = None,
    env: EnvOption = None,
    as_json: JsonOption = False,
) -> None:
    """Compare a table with the deployed model's profile; exit 5 where it drifted."""

    def work() -> DriftResult:
        from mlops_cli.actions.drift import drift
        from mlops_cli.config.load import load_project

        loaded = load_project(project, env=env)
        return drift(loaded, current=current, bundle=bundle, progress=TerminalProgress())

    execute("drift", work, _render, as_json=as_json, exit_code=_exit_code)


def _exit_code(result: DriftResult) -> int:
    return DriftError.exit_code if result.drifted else 0


def _render(result: DriftResult) -> None:
    drifted = [column for column in result.columns if column.drifted]
    echo_rows(
        row(c.name, c.statistic, f"{c.value:.4g}", f"limit {c.threshold:.4g}") for c in drifted
    )
    verdict = f"{len(drifted)} of {len(result.columns)} columns drifted" if drifted else "no drift"
    said = paint(verdict, "red" if drifted else "green")
    typer.echo(f"{said}, {result.rows:,} rows; report: {result.report}")
