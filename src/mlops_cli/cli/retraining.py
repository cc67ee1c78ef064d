"""What a policy of retraining asked for, and what came of it, as lines for a terminal."""

from __future__ import annotations

from typing import TYPE_CHECKING

import typer

from mlops_cli.cli.look import Row, row
from mlops_cli.cli.rendering import echo_remarks, echo_rows

if TYPE_CHECKING:
    from mlops_cli.actions.retrain import RetrainResult
    from mlops_cli.monitoring.retraining.backtest import Strategy


def render_retrain(result: RetrainResult) -> None:
    """Why, or why not; then the branch and the candidate."""
    when = f"{result.at:%Y-%m-%d %H:%M}"
    if result.fired:
        echo_rows(row("would have fired", f"{moment:%Y-%m-%d %H:%M}") for moment in result.fired)
    echo_rows(_of_strategy(strategy) for strategy in result.strategies)
    if not result.reasons:
        typer.echo(f"nothing asks for a retraining at {when}")
        return
    echo_rows([row("asked for by", ", ".join(result.reasons))])
    echo_rows(row("but not now", why) for why in result.blocked_by)
    if result.registered is None:
        typer.echo(f"a retraining is {'due' if result.due else 'not due'} at {when}")
        return
    found = result.registered
    echo_rows([row("branch", str(result.branch)), row(found.state, found.version)])
    echo_remarks([f"git merge {result.branch} && dvc checkout && mlops run makes it the champion"])


def _of_strategy(found: Strategy) -> Row:
    n = len(found.retrained)
    fits = f"{n} model{'' if n == 1 else 's'} in {found.seconds:.1f} s"
    return row(found.name, f"{found.score:.4f} over {found.windows} windows", fits)
