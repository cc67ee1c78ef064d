"""Alerts, sinks and silences, as lines for a terminal."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import TYPE_CHECKING

import typer

from mlops_cli.cli.look import Row, row
from mlops_cli.cli.rendering import echo_rows

if TYPE_CHECKING:
    from mlops_cli.actions.alerts import AlertEntry, AlertsResult
    from mlops_cli.alerts.base import Delivery, Notified
    from mlops_cli.cli.colour import Colour

_COLOURS: Mapping[str, Colour] = {"firing": "red", "resolved": "green"}


def render_alerts(result: AlertsResult) -> None:
    """What each sink did of a test; else a line an alert, and what waits."""
    if result.tested:
        echo_rows(
            row(t.sink, t.fault or "took it", colour="red" if t.fault else "green")
            for t in result.tested
        )
        return
    echo_rows(map(_entry, result.alerts))
    if not result.alerts:
        typer.echo("no alerts: monitor.alerts of mlops.yaml has none")
    _render_waiting(result.waiting)
    for silence in result.silences:
        why = f" ({silence.reason})" if silence.reason else ""
        typer.echo(f"silent until {silence.until:%Y-%m-%d %H:%M} UTC: {silence.what}{why}")


def _entry(alert: AlertEntry) -> Row:
    state = "never fired" if alert.state == "never" else alert.state
    return row(state, alert.key or alert.when, ", ".join(_told(alert)),
        colour=_COLOURS.get(alert.state))  # fmt: skip


def _told(alert: AlertEntry) -> Iterator[str]:
    if alert.since:
        yield f"since {alert.since:%Y-%m-%d %H:%M} UTC"
    yield from alert.columns


def render_notified(notified: Notified) -> None:
    """What fired and resolved in a run, and what waits for a sink."""
    for change in (*notified.fired, *notified.resolved):
        where = f" ({change.segment})" if change.segment else ""
        typer.echo(f"{change.state}: {change.when}{where}")
    _render_waiting(notified.waiting)


def _render_waiting(waiting: Iterable[Delivery]) -> None:
    for waits in waiting:
        typer.echo(f"waits for {waits.sink}: {waits.key} ({waits.state}): {waits.fault}")
