"""The page of monitoring: what was found of the windows, on one time axis, for a person to look."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from mlops_cli._files import write_text
from mlops_cli._templates import render
from mlops_cli.alerts.history import read_history
from mlops_cli.audit.log import known_entries
from mlops_cli.config.paths import MONITOR_PAGE
from mlops_cli.config.project import Project
from mlops_cli.monitoring.windows.records import Window
from mlops_cli.reports.self_contained import policy
from mlops_cli.reports.timelines.axis import Axis, Tick, axis_of
from mlops_cli.reports.timelines.chart import Chart
from mlops_cli.reports.timelines.charts import Seen, charts_of, faults_of, performance_of
from mlops_cli.reports.timelines.happened import Alert, Event, alerts_of, events_of, lanes
from mlops_cli.reports.timelines.matrix import Matrix, matrix_of
from mlops_cli.reports.timelines.table import Table, state_of, table_of

TEMPLATE, STYLE, SCRIPT = (f"reports/monitor.{kind}.j2" for kind in ("html", "css", "js"))
WINDOWS = 400  # that are drawn, the newest
COLUMNS = 40  # that are drawn of all rows, and half as many of a segment
SEGMENTS = 12  # that are drawn: those that drifted most
ALERTS = 12  # that are drawn: what fires, then the latest
ALL = "All rows"


@dataclass(frozen=True, slots=True)
class PartPage:
    """All rows, or a segment: its pictures, and the same as a table."""

    name: str
    performance: Chart | None
    more: Sequence[Chart]
    charts: Sequence[Chart]
    matrix: Matrix
    broken: Mapping[int, Sequence[str]]
    alerts: Sequence[Alert]
    more_alerts: int
    table: Table


@dataclass(frozen=True, slots=True)
class MonitorPage:
    """What the page shows.

    `state` is how things are now, in clauses; `well` is whether nothing asks for a look. Beyond
    what is drawn there are `more_windows` older ones and `more_segments`.
    """

    project: str
    target: str
    version: str
    written: datetime
    newest: Window
    firing: Sequence[Alert]
    state: Sequence[str]
    well: bool
    alerting: bool
    axis: Axis
    ticks: Sequence[Tick]
    parts: Sequence[PartPage]
    events: Sequence[Event]
    lanes: Mapping[str, Sequence[Event]]
    more_windows: int
    more_segments: int


def write_monitor_page(project: Project, windows: Sequence[Window]) -> None:
    """Write `reports/monitor.html`, whole or not at all, of windows in the order of their verdicts.

    Of several verdicts on a window the last one counts, and only windows as long as the last one.
    Alerts, deployments and retrainings come from the project's own files: nobody is asked. It is a
    page by itself, which loads nothing.
    """
    by_start = {window.start: window for window in windows}
    known = [w for _, w in sorted(by_start.items()) if _length(w) == _length(windows[-1])]
    page = _page(project, known) if known else None
    style, script = render(STYLE), render(SCRIPT)
    text = render(
        TEMPLATE,
        project=project.config.project,
        page=page,
        style=style,
        script=script,
        policy=policy(style, script),
    )
    write_text(project.root / MONITOR_PAGE, text)


def _length(window: Window) -> timedelta:
    return window.end - window.start


def _page(project: Project, known: Sequence[Window]) -> MonitorPage:
    newest, shown = known[-1], known[-WINDOWS:]
    axis = axis_of([w.start for w in shown], _length(newest))
    metric, target = project.config.metric, newest.target
    alerts = alerts_of(read_history(project.root))
    events = events_of(known_entries(project.root), target, axis)
    segments = _worst_segments(shown)
    parts = [_part(ALL, shown, metric, axis, alerts)]
    parts += [_part(name, shown, metric, axis, alerts) for name in segments[:SEGMENTS]]
    firing = [alert for alert in alerts if alert.firing]
    return MonitorPage(
        project=project.config.project,
        target=target,
        version=newest.version,
        written=datetime.now(UTC),
        newest=newest,
        firing=firing,
        state=state_of(shown, metric),
        well=not (firing or newest.drifted or newest.broken or not newest.rows),
        alerting=bool(project.config.monitor.alerts),
        axis=axis,
        ticks=axis.ticks(),
        parts=parts,
        events=events,
        lanes=lanes(events),
        more_windows=len(known) - len(shown),
        more_segments=max(len(segments) - SEGMENTS, 0),
    )


def _worst_segments(shown: Sequence[Window]) -> list[str]:
    """Every segment, those first that drifted in the most windows, then the largest."""
    drifted: dict[str, int] = {}
    rows: dict[str, int] = {}
    for window in shown:
        for name, part in window.segments.items():
            drifted[name] = drifted.get(name, 0) + bool(part.drift and part.drift.drifted)
            rows[name] = rows.get(name, 0) + part.rows
    return sorted(rows, key=lambda name: (-drifted[name], -rows[name], name))


def _part(
    name: str, shown: Sequence[Window], metric: str, axis: Axis, alerts: Sequence[Alert]
) -> PartPage:
    whole = name == ALL
    seen = list(_seen(None if whole else name, shown, axis))
    performance, more = performance_of(seen, metric, axis)
    names = {one.step: axis.name(one.window.start) for one in seen}
    drift = {s.step: s.found.drift for s in seen if s.found.drift is not None}
    of_part = [alert for alert in alerts if whole or alert.segment == name]
    return PartPage(
        name=name,
        performance=performance,
        more=more if whole else (),
        charts=charts_of(seen, axis),
        matrix=matrix_of(drift, names, most=COLUMNS if whole else COLUMNS // 2),
        broken=faults_of(seen),
        alerts=of_part[:ALERTS],
        more_alerts=max(len(of_part) - ALERTS, 0),
        table=table_of(seen, metric, axis),
    )


def _seen(segment: str | None, shown: Sequence[Window], axis: Axis) -> Iterator[Seen]:
    for window in shown:
        found = window if segment is None else window.segments.get(segment)
        if found is not None:
            yield Seen(round(axis.place(window.start)), window, found)
