"""The way in: observations are held to the conditions, and each change reaches each sink once."""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta

from mlops_cli.alerts.base import Message, Notified, Observation
from mlops_cli.alerts.compaction import compact
from mlops_cli.alerts.deliver import deliver
from mlops_cli.alerts.history import (
    History,
    append,
    changing,
    read_history,
    read_standings,
    write_standings,
)
from mlops_cli.alerts.judge import judge
from mlops_cli.alerts.sinks import names_of
from mlops_cli.config.paths import ALERTS
from mlops_cli.config.project import Project

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)  # windows are multiples of their length since then


def notify(project: Project, observations: Sequence[Observation], now: datetime) -> Notified:
    """Judge the observations by `monitor.alerts`, and tell every sink of `monitor.sinks`.

    Called once at the end of each run, also without observations: what a sink did not take is
    sent again. Observations may be given again: what was judged is known, and tells nobody twice.
    A sink that fails raises nothing: what it did not take is in `waiting`. What changed is on the
    disk before anybody is told. Raises `EnvironmentFault` where another command holds the alerts
    for a minute.
    """
    monitor = project.config.monitor
    changes: tuple[Message, ...] = ()
    if monitor.alerts or (project.root / ALERTS).exists():
        changes = _judged(project, observations, now)
    sent, waiting = deliver(project, now)
    return Notified(
        fired=tuple(change for change in changes if change.state == "firing"),
        resolved=tuple(change for change in changes if change.state == "resolved"),
        sent=tuple(sent),
        waiting=tuple(waiting),
    )


def _judged(
    project: Project, observations: Sequence[Observation], now: datetime
) -> tuple[Message, ...]:
    monitor, root = project.config.monitor, project.root
    with changing(root):
        sinks = names_of(monitor.sinks)
        history = compact(root, read_history(root), sinks=sinks, now=now)
        known = read_standings(root, history)
        judged = judge(monitor.alerts, observations, known, project=project.config.project)
        told = (replace(c, more=_more(c, project.config.window)) for c in judged.changes)
        changes = (*told, *_dropped(project, history))
        append(root, history.numbered(changes, sinks, now))
        if judged.standings:
            write_standings(root, {**known, **judged.standings})
    return changes


def _more(change: Message, length: timedelta) -> str:
    """The command that shows the whole windows in which it was: of a minute, the one around it."""
    start = change.start - (change.start - _EPOCH) % length
    end = change.end + (_EPOCH - change.end) % length
    told = ("--since", _text(start), "--until", _text(end), "--target", change.target)
    return shlex.join(["mlops", "monitor", *told])


def _text(time: datetime) -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%SZ")


def _dropped(project: Project, history: History) -> Iterator[Message]:
    """A last change for what fires and is asked for no more: nobody else would close it."""
    asked = {alert.condition.text for alert in project.config.monitor.alerts}
    for change in history.last().values():
        if change.message.state == "firing" and change.message.when not in asked:
            yield replace(change.message, state="resolved")
