"""The windows that `mlops monitor` judged, as lines for a terminal."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

import typer

from mlops_cli.cli.alerts import render_notified
from mlops_cli.cli.colour import paint
from mlops_cli.cli.look import Row, row
from mlops_cli.cli.rendering import echo_remarks, echo_rows

if TYPE_CHECKING:
    from mlops_cli.actions.monitor import MonitorResult
    from mlops_cli.monitoring.windows.records import Window

_SHOWN = 30  # windows; the file has all of them
_NAMED = 5  # columns, or segments, of a line


def render_monitor(result: MonitorResult) -> None:
    """A line a window, the newest last; then what else there is to tell."""
    echo_rows(_line(window) for window in result.windows[-_SHOWN:])
    last = result.windows[-1:]
    remarks = dict.fromkeys(r for window in last for r in window.remarks)
    echo_remarks([*result.remarks, *remarks])
    render_notified(result.alerts)
    if not result.windows:
        came = f"{result.collected:,} rows came now: " if result.collected else ""
        typer.echo(f"{came}no whole window of predictions was collected yet (monitor.window)")
        return
    drifted = sum(window.drifted for window in result.windows)
    verdict = paint(f"{drifted} drifted", "red") if drifted else paint("no drift", "green")
    judged = f"{result.judged} window{'' if result.judged == 1 else 's'} judged"
    typer.echo(f"{judged}, {verdict}; {result.data}, {result.page}")


def _line(window: Window) -> Row:
    when = f"{window.start:%Y-%m-%d %H:%M}".removesuffix(" 00:00")
    return row(when, f"{window.rows:,} rows", ", ".join(_found(window)) or "as before")


def _found(window: Window) -> Iterator[str]:
    if window.quality is not None and window.quality.broken:
        yield f"broken data: {'; '.join(window.quality.faults)}"
    if window.drift is not None and window.drift.drifted:
        names = _few(window.drift.named)
        yield f"drift in how {names} go together" if window.drift.together else f"drift in {names}"
    moved = [n for n, part in window.segments.items() if part.drift and part.drift.drifted]
    if moved:
        yield f"drift of {_few(moved)}"
    if (concept := window.concept_drift) is not None and concept.drifted:
        expected = f"{concept.expected:.3f} was expected"
        yield f"concept drift ({concept.loss} {concept.seen:.3f}, {expected})"
    if window.volume is not None and not window.volume.rows:
        yield "silence"
    for name, value in (window.performance or {}).items():
        if not name.endswith(("_low", "_high")):
            yield f"{name} {value:.3f}"
            break


def _few(names: Sequence[str]) -> str:
    more = len(names) - _NAMED
    return ", ".join(names[:_NAMED]) + (f" and {more} more" if more > 0 else "")
