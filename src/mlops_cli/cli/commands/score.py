"""`mlops score IN OUT`: predictions for a file."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from mlops_cli.cli.execute import execute
from mlops_cli.cli.options import BundleOption, EnvOption, ExplainOption, JsonOption, ProjectOption
from mlops_cli.cli.rendering import echo_remarks
from mlops_cli.cli.terminal import TerminalProgress

if TYPE_CHECKING:
    from mlops_cli.actions.score import ScoreResult


def score_command(
    source: Annotated[Path, typer.Argument(metavar="IN", help="CSV or Parquet.")],
    destination: Annotated[Path, typer.Argument(metavar="OUT", help="CSV or Parquet.")],
    bundle: BundleOption = None,
    explain: ExplainOption = False,
    strict: Annotated[
        bool,
        typer.Option("--strict", help="Exit 3, nothing written, where rows are unlike training's."),
    ] = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Check and count everything; write nothing.")
    ] = False,
    force: Annotated[bool, typer.Option("--force", help="Replace OUT, whatever it holds.")] = False,
    project: ProjectOption = None,
    env: EnvOption = None,
    as_json: JsonOption = False,
) -> None:
    """Predict every row of a file, in chunks; the predictions stand beside the input's columns."""

    def work() -> ScoreResult:
        from mlops_cli.actions.score import score
        from mlops_cli.config.load import load_project

        return score(
            load_project(project, env=env),
            source,
            destination,
            bundle=bundle,
            strict=strict,
            dry_run=dry_run,
            force=force,
            explain=explain,
            progress=TerminalProgress(),
        )

    execute("score", work, _render, as_json=as_json)


def _render(result: ScoreResult) -> None:
    would = "" if result.written else "would write "
    typer.echo(f"{would}{result.rows:,} rows by {result.version} to {result.output}")
    echo_remarks(result.remarks)
