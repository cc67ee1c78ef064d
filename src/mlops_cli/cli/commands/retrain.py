"""`mlops retrain`: a new candidate, where the policy asks for one."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from mlops_cli.cli.execute import execute
from mlops_cli.cli.options import EnvOption, JsonOption, ProjectOption
from mlops_cli.cli.retraining import render_retrain
from mlops_cli.cli.terminal import TerminalProgress

if TYPE_CHECKING:
    from mlops_cli.actions.retrain import RetrainResult


def retrain_command(
    at: Annotated[
        str | None,
        typer.Option("--at", metavar="TIME", help="Default: the end of the newest window."),
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only ask the policy.")] = False,
    backtest: Annotated[
        bool, typer.Option("--backtest", help="Replay the policy over the judged windows.")
    ] = False,
    project: ProjectOption = None,
    env: EnvOption = None,
    as_json: JsonOption = False,
) -> None:
    """Train again on a branch, where `retrain.when` asks for it; the model is a candidate."""

    def work() -> RetrainResult:
        from mlops_cli.actions.retrain import retrain
        from mlops_cli.config.load import load_project

        loaded, told = load_project(project, env=env), TerminalProgress()
        return retrain(loaded, at=at, dry_run=dry_run, backtest=backtest, progress=told)

    execute("retrain", work, render_retrain, as_json=as_json)
