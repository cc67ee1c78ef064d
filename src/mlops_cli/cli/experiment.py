"""An experiment, as lines for a terminal."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import typer

from mlops_cli.cli.colour import paint
from mlops_cli.cli.look import Row, row
from mlops_cli.cli.rendering import echo_remarks, echo_rows

if TYPE_CHECKING:
    from mlops_cli.cli.colour import Colour
    from mlops_cli.experiments.found import AbResult, LiftFound

_COLOURS: dict[str, Colour] = {"better": "green", "worse": "red"}


def render_ab(result: AbResult) -> None:
    """A line a metric, the one that decides first; guardrails, segments, and who has won."""
    unit = ", ".join(result.unit) or "request"
    typer.echo(
        f"{result.candidate} against {result.champion}: {result.units:,} units by {unit}, "
        f"{result.share.candidate:.1%} met the candidate"
    )
    echo_rows(_lines(result))
    echo_remarks(result.remarks)
    won = f"the {result.winner} has won" if result.winner else "no winner"
    colour: Colour | None = "green" if result.winner == "candidate" else None
    typer.echo(f"{paint(won, colour)}: {'; '.join(result.reasons)}; {result.data}")


def _lines(result: AbResult) -> Iterator[Row]:
    yield row("metric", "champion", "candidate", "lift, with an interval for every look")
    for lift in result.metrics:
        yield _line(lift, lift.metric)
    for guard in result.guardrails:
        said = f"{guard.verdict}: worse by at most {guard.worse_by}"
        colour: Colour | None = "red" if guard.verdict == "breached" else None
        yield row(f"guardrail {guard.metric}", "", "", said, colour=colour)
    for segment in result.segments:
        yield _line(segment.lift, f"{segment.column}={segment.value}")


def _line(lift: LiftFound, name: str) -> Row:
    arms = [_level(arm.value) for arm in (lift.champion, lift.candidate)]
    return row(name, *arms, _lift(lift), colour=_COLOURS.get(lift.side))


def _level(value: float | None) -> str:
    return "-" if value is None else f"{value:.4g}"


def _lift(lift: LiftFound) -> str:
    if lift.difference is None or lift.low is None or lift.high is None:
        return f"- ({lift.why})"
    said = f"{lift.difference:+.3g} ({lift.low:+.3g} to {lift.high:+.3g})"
    if lift.relative is not None and lift.relative_low is not None:
        said += f", {lift.relative:+.1%} ({lift.relative_low:+.1%} to {lift.relative_high:+.1%})"
    return said + (f" {lift.side}" if lift.side != "open" else "")
