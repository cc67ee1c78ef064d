"""The command `alerts`: what fires and what waits, a try of every sink, and silences."""

from __future__ import annotations

import difflib
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Literal

from mlops_cli.alerts.base import Delivery, Message, State
from mlops_cli.alerts.deliver import bounded, open_sinks, waiting
from mlops_cli.alerts.history import History, Silence, append, changing, read_history
from mlops_cli.alerts.judge import key_of
from mlops_cli.alerts.sinks.base import SinkFault
from mlops_cli.config.project import Project
from mlops_cli.errors import UsageError

Action = Literal["list", "test", "silence"]
_TEST = "a test of mlops alerts"


@dataclass(frozen=True, slots=True)
class AlertEntry:
    """An alert: of a key that fired once, or of a condition that never did (`key` is null).

    `since` is when its last change began, `value` what was seen then; `silenced` is until when
    nothing is sent about it.
    """

    when: str
    state: State | Literal["never"]
    key: str | None = None
    target: str | None = None
    segment: str | None = None
    since: datetime | None = None
    value: float | None = None
    columns: tuple[str, ...] = ()
    silenced: datetime | None = None


@dataclass(frozen=True, slots=True)
class SilenceEntry:
    """Of a key or a condition nothing is sent before `until` (UTC)."""

    what: str
    until: datetime
    reason: str | None = None


@dataclass(frozen=True, slots=True)
class Tested:
    """A sink that got a test message, and why it did not take it, if so."""

    sink: str
    fault: str | None = None


@dataclass(frozen=True, slots=True)
class AlertsResult:
    """Alerts, what has yet to reach a sink, silences, and what each sink did of a test."""

    alerts: tuple[AlertEntry, ...] = ()
    waiting: tuple[Delivery, ...] = ()
    silences: tuple[SilenceEntry, ...] = ()
    tested: tuple[Tested, ...] = ()


def alerting(
    project: Project,
    action: Action = "list",
    what: str | None = None,
    *,
    lasts: timedelta | None = None,
    reason: str | None = None,
) -> AlertsResult:
    """List the alerts of a project, test its sinks, or silence `what` (a key or a condition).

    A silence lasts so long from now on; one of no length ends it. A test says in each message that
    it is one; where it opens an incident, it closes it, too. Raises `UsageError` where there is no
    sink to test, or nothing to silence has that name.
    """
    now = datetime.now(UTC)
    tested: tuple[Tested, ...] = ()
    if action == "test":
        tested = tuple(_tested(project, now))
    elif action == "silence":
        _silence(project, what, now, lasts=lasts, reason=reason)
    history = read_history(project.root)
    silences = [s for s in history.silences.values() if s.until > now]
    return AlertsResult(
        alerts=tuple(_entries(project, history, now)),
        waiting=tuple(waiting(project, now)),
        silences=tuple(SilenceEntry(s.what, s.until, s.reason) for s in silences),
        tested=tested,
    )


def _entries(project: Project, history: History, now: datetime) -> Iterator[AlertEntry]:
    last = [change.message for change in history.last().values()]
    for alert in project.config.monitor.alerts:
        when = alert.condition.text
        if not any(message.when == when for message in last):
            yield AlertEntry(when, "never")
    for message in sorted(last, key=lambda message: (message.state, message.key)):
        silence = history.silence_of(message, now)
        yield AlertEntry(
            when=message.when,
            state=message.state,
            key=message.key,
            target=message.target,
            segment=message.segment,
            since=message.start,
            value=message.value,
            columns=message.columns,
            silenced=silence.until if silence else None,
        )


def _silence(
    project: Project,
    what: str | None,
    now: datetime,
    *,
    lasts: timedelta | None,
    reason: str | None,
) -> None:
    if what is None or lasts is None:
        raise UsageError(
            "a silence is of a key or a condition, and lasts a while",
            hint="mlops alerts silence drift --for 2h",
        )
    with changing(project.root):
        history = read_history(project.root)
        asked = [alert.condition.text for alert in project.config.monitor.alerts]
        names = {name.replace(" ", ""): name for name in (*history.last(), *asked)}
        name = names.get(what.replace(" ", ""))
        if name is None:
            near = difflib.get_close_matches(what, names.values(), n=1, cutoff=0.4)
            known = near[0] if near else ", ".join(names.values()) or "there are none"
            raise UsageError(f"no alert has the key or the condition {what!r}", hint=known)
        append(project.root, [Silence(name, now, now + lasts, reason)])


def _tested(project: Project, now: datetime) -> Iterator[Tested]:
    sinks = open_sinks(project)
    if not sinks:
        raise UsageError(
            "monitor.sinks of mlops.yaml names no sink",
            hint='monitor: {sinks: [{webhook: "${HOOK_URL}"}]}',
        )
    message = _message(project, now)
    for name, sink in sinks.items():
        try:
            bounded(sink, message, f"{message.key}#1")
            if sink.incidents:
                bounded(sink, replace(message, state="resolved"), f"{message.key}#2")
        except SinkFault as e:
            yield Tested(name, str(e))
        else:
            yield Tested(name)


def _message(project: Project, now: datetime) -> Message:
    at, target = now.replace(microsecond=0), project.config.deploy.target
    return Message(
        state="firing",
        when=_TEST,
        key=key_of(project.config.project, f"test-{at:%Y%m%dT%H%M%S}", target),
        metric="test",
        value=1.0,
        threshold=0.0,
        start=at,
        end=at,
        target=target,
        version="test",
        more="mlops alerts list",
    )
