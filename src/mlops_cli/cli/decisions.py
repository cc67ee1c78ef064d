"""How approvals, promotions and the way back look in a terminal."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import typer

from mlops_cli.cli.look import Row, row
from mlops_cli.cli.rendering import echo_remarks, echo_rows, render_comparison

if TYPE_CHECKING:
    from mlops_cli.actions.approve import ApproveResult
    from mlops_cli.actions.erase import EraseResult
    from mlops_cli.actions.promote import PromoteResult
    from mlops_cli.actions.reject import RejectResult
    from mlops_cli.actions.reproduce import ReproduceResult
    from mlops_cli.actions.review import Review
    from mlops_cli.actions.rollback import RollbackResult

_CONVENTION = "names are git's own, which nobody checks: governance.signers asks for signatures"


def render_approve(result: ApproveResult) -> None:
    """What there was to be looked at, who approved, and what is missing."""
    if result.review:
        _render_review(result.review)
        typer.echo()
    if result.role:
        typer.echo(f"{result.by} approved {result.version} as {result.role}")
    echo_rows(row(a.role, a.by, a.time, a.reason or "") for a in result.approvals)
    echo_rows(row(role, "missing", colour="yellow") for role in result.missing)
    if result.role and result.convention:
        echo_remarks([_CONVENTION])
    if not result.missing:
        typer.echo(f"next: mlops promote {result.version}")


def _render_review(review: Review) -> None:
    if review.comparison:
        render_comparison(review.comparison)
    else:
        echo_rows(_metrics(review))
        typer.echo("there is no champion to compare it with")
    echo_rows(_facts(review))


def _metrics(review: Review) -> Iterator[Row]:
    for metric in review.metrics:
        ends = metric.b_interval
        interval = f" [{ends[0]:.4g}, {ends[1]:.4g}]" if ends else ""
        yield row(metric.name, "-" if metric.b is None else f"{metric.b:.4g}{interval}")


def _facts(review: Review) -> Iterator[Row]:
    for gate in review.gates or ():
        yield row("gate", f"{gate.gate}: {gate.verdict}", gate.why)
    if drift := review.drift:
        said = f"drifted: {', '.join(drift.columns)}" if drift.drifted else "no drift"
        yield row("drift", said, drift.report)
    for file in review.files:
        yield row("changed", file)
    for person, why in review.barred.items():
        yield row("barred", person, why)
    for name, digest in review.evidence.items():
        yield row("evidence", name, digest)


def render_reject(result: RejectResult) -> None:
    """A line."""
    typer.echo(f"{result.by} rejected {result.version}: {result.reason}")


def render_promote(result: PromoteResult) -> None:
    """The champion, and what it went without."""
    before = f", in place of {result.before[:12]}" if result.before else ""
    typer.echo(f"{result.version} is the champion{before}")
    if result.without:
        missing = ", ".join(result.without)
        echo_remarks([f"warning: without {missing}; `mlops status` shows it until it is approved"])
    if result.convention:
        echo_remarks([_CONVENTION])
    typer.echo("next: mlops deploy")


def render_rollback(result: RollbackResult) -> None:
    """The champion now, and where it answers."""
    typer.echo(f"{result.version} is the champion again, in place of {result.before[:12]}")
    for target in result.targets:
        typer.echo(f"{result.version} answers at {target.url} ({target.target})")


def render_reproduce(result: ReproduceResult) -> None:
    """The verdict, and the first thing that differs."""
    how = "an environment made anew" if result.environment == "anew" else "this environment"
    again = f"{result.version} made again at {result.commit[:12]} in {how}"
    typer.echo(f"{again}: {result.verdict}")
    if result.first_difference:
        echo_rows([row(result.first_difference, result.why or "", colour="yellow")])


def render_erase(result: EraseResult) -> None:
    """A line a place, then what is left and which models were fitted on the subject."""
    listed = result.dry_run and not any(place.rows for place in result.places)
    echo_rows(
        row(p.where, "" if listed else f"{p.rows} row{'s' * (p.rows != 1)}") for p in result.places
    )
    echo_rows(row(rest.where, rest.why, colour="yellow") for rest in result.left)
    for version in result.models:
        typer.echo(f"{version} was fitted on the subject: train, register and promote another one")
    if listed:
        return
    done = "nothing was changed: --dry-run" if result.dry_run else "erased"
    rest = "not all of it was erased: the same command goes on"
    rest += " when another version is the champion" if result.waiting else ""
    typer.echo(rest if result.failed or result.waiting else done)
    if not result.dry_run:
        typer.echo("next: git add -A && git commit, then mlops run")
