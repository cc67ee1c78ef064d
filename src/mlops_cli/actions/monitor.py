"""The command `monitor`: what the deployed model answered, window by window, judged."""

from __future__ import annotations

import difflib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from itertools import takewhile

from mlops_cli._locks import locked
from mlops_cli.actions.collect import collect_what_is_there
from mlops_cli.alerts.base import Notified, Observation
from mlops_cli.alerts.notify import notify
from mlops_cli.config.paths import MONITOR_PAGE, WINDOWS
from mlops_cli.config.project import Project
from mlops_cli.errors import EnvironmentFault, UsageError
from mlops_cli.governance.watched import watched_models
from mlops_cli.monitoring.collected.traffic import Traffic
from mlops_cli.monitoring.judging.looked_at import LookedAt
from mlops_cli.monitoring.judging.models import WatchedModel
from mlops_cli.monitoring.judging.settings import Settings
from mlops_cli.monitoring.judging.watch import Watch
from mlops_cli.monitoring.windows.grid import (
    SILENT,
    Stretch,
    begin_of,
    moment_of,
    windows_among,
)
from mlops_cli.monitoring.windows.records import Window
from mlops_cli.monitoring.windows.window_log import append_windows, read_windows
from mlops_cli.progress import QUIET, Progress
from mlops_cli.reports.monitor import write_monitor_page
from mlops_cli.tables import open_engine

_LOCK = "monitor.lock"
_MEMORY = "256MB"  # of the engine, which would keep what it has read: windows are large or small
_SEASON = 5  # windows in a row that drifted: those of a season that training does not stand for


@dataclass(frozen=True, slots=True)
class MonitorResult:
    """What was found: `windows` are those judged now; where none was, the last one of the time.

    `judged` is how many were judged now, `standing` how many verdicts still held. `drifted` is
    whether one of `windows` did. `collected` rows came from the target.
    `data` and `page` are where all of them stand, for programs and for people.
    """

    drifted: bool
    judged: int
    standing: int
    windows: tuple[Window, ...]
    collected: int
    alerts: Notified
    remarks: tuple[str, ...] = ()
    data: str = WINDOWS
    page: str = MONITOR_PAGE


def monitor(
    project: Project,
    *,
    since: str | None = None,
    until: str | None = None,
    target: str | None = None,
    progress: Progress = QUIET,
) -> MonitorResult:
    """Collect what the target has logged, and judge each whole window between `since` and `until`.

    By default that is from the first prediction on, until now. A window is judged once, and again
    when rows or labels of it have come. Finding drift is a result, no error. Raises `UsageError`
    for a time that is none, or a segment that the model has no input for.
    """
    now = datetime.now(UTC)
    begin = moment_of(since, "--since") if since else None
    end = min(moment_of(until, "--until"), now) if until else now
    if begin is not None and begin >= end:
        raise UsageError(f"--since {since} is not before --until {until or 'now'}")
    taken = EnvironmentFault("another monitor of this project is going on", hint="wait for it")
    with locked(project.cache / _LOCK, otherwise=taken):
        collected, remarks = collect_what_is_there(project, target, progress)
        known = read_windows(project.root)
        found = _judge(project, known, (begin, end), target=target, progress=progress)
        # In this order: what a kill between them leaves unwritten is judged, and told, again.
        alerts = notify(project, found.observations, now)
        append_windows(project.root, found.judged)
        if found.looked_at is not None:
            found.looked_at.keep()
        write_monitor_page(project, [*known, *found.judged])
    shown = found.judged or found.standing[-1:]
    if found.judged and project.config.monitor.baseline == "training":
        remarks = (*remarks, *_season([*known, *found.judged]))
    return MonitorResult(
        drifted=any(w.drifted for w in shown),
        judged=len(found.judged),
        standing=len(found.standing),
        windows=tuple(shown),
        collected=collected,
        alerts=alerts,
        remarks=(*remarks, *found.remarks),
    )


@dataclass(frozen=True, slots=True)
class _Found:
    judged: Sequence[Window] = ()
    standing: Sequence[Window] = ()
    observations: Sequence[Observation] = ()
    remarks: Sequence[str] = ()
    looked_at: LookedAt | None = None


def _judge(
    project: Project,
    known: Sequence[Window],
    between: tuple[datetime | None, datetime],
    *,
    target: str | None,
    progress: Progress,
) -> _Found:
    settings = Settings.of(project.config, target or project.config.deploy.target, between[1])
    with open_engine(temporary=project.temporary, memory=_MEMORY) as engine:
        traffic = Traffic(engine, project.root)
        extent = traffic.extent()
        if extent is None:
            return _Found()
        first = begin_of(extent.start, settings.window)  # what is before it is no silence
        begin = max(between[0] or first, first)
        last = begin_of(extent.end, settings.window) + settings.window
        grid = windows_among(traffic.days(), begin, min(between[1], last), settings.window)
        if not grid.windows:
            return _Found()
        models = watched_models(project, traffic.versions(grid.windows), progress=progress)
        _check_segments(project, models)
        watch = Watch(engine, project.root, traffic=traffic, settings=settings, models=models)
        watch.looked_at = LookedAt(traffic.label_files(), project.cache)
        found = _each(watch, grid.windows, known, progress=progress)
        new = {w.end for w in found.judged}
        left_out = (silence for silence in grid.left_out if silence.start in new)
        remarks = tuple(map(_left_out, left_out))
        return replace(found, remarks=remarks, looked_at=watch.looked_at)


def _season(windows: Sequence[Window]) -> Iterator[str]:
    """A remark, where the newest windows drifted one after another; of a window the last counts."""
    verdicts = {w.start: w for w in windows if w.drift is not None}
    newest = (verdicts[start] for start in sorted(verdicts, reverse=True))
    in_a_row = sum(1 for _ in takewhile(lambda w: w.drifted, newest))
    if in_a_row >= _SEASON:
        yield (
            f"each of the last {in_a_row} windows drifted from training: where that is a season or "
            "a trend, `monitor.baseline: same_weekday` (or last_window) holds a window to those "
            "before it; where it stays, mlops retrain"
        )


def _left_out(silence: Stretch) -> str:
    return (
        f"until {silence.end:%Y-%m-%d %H:%M} nothing was asked for long: the windows from "
        f"{silence.start:%Y-%m-%d %H:%M} on are left out, {SILENT:,} before them are there. "
        "Was a clock wrong?"
    )


def _each(
    watch: Watch, stretches: Sequence[Stretch], known: Sequence[Window], *, progress: Progress
) -> _Found:
    verdicts = {w.start: w for w in known if w.end - w.start == watch.length}
    judged: list[Window] = []
    standing: list[Window] = []
    observations: list[Observation] = []
    for i, stretch in enumerate(stretches):
        progress.update("judging windows", done=i, total=len(stretches))
        before = verdicts.get(stretch.start)
        found = watch.judge(stretch, before, [*verdicts.values()])
        if found is None and before is not None:
            standing.append(before)
        elif found is not None:
            verdicts[stretch.start] = found.window
            judged.append(found.window)
            observations += found.observations
    return _Found(judged, standing, observations)


def _check_segments(project: Project, models: Mapping[str, WatchedModel]) -> None:
    for version, model in models.items():
        names = [i.name for i in model.manifest.inputs]
        for column in project.config.monitor.segments:
            if column not in names:
                near = difflib.get_close_matches(column, names, n=1)
                known = f"did you mean {near[0]!r}?" if near else f"inputs: {', '.join(names[:20])}"
                raise UsageError(
                    f"mlops.yaml: monitor.segments names {column!r}, which is no input of the "
                    f"model {version}",
                    hint=known,
                )
