"""What happened meanwhile: alerts that fired, deployments and retrainings."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from mlops_cli.alerts.base import Message
from mlops_cli.alerts.history import History
from mlops_cli.audit.entry import Action, Entry
from mlops_cli.reports.timelines.axis import Axis
from mlops_cli.reports.timelines.chart import number

SHOWN: tuple[Action, ...] = ("deploy", "rollout", "rollback", "promote", "stop", "retrain")
_TOLD = 100  # of what happened, in the table: the latest


@dataclass(frozen=True, slots=True)
class Span:
    """An alert from when it fired; `end` is None while it fires still."""

    start: datetime
    end: datetime | None


@dataclass(frozen=True, slots=True)
class Alert:
    """The incidents of one key: its condition, of all rows or of a segment."""

    when: str
    segment: str | None
    spans: Sequence[Span]
    columns: Sequence[str]

    @property
    def firing(self) -> bool:
        """Whether it fires now."""
        return self.spans[-1].end is None

    def path(self, axis: Axis) -> str:
        """Its spans on the axis, as rectangles of height 1, each at least half a step wide."""
        return "".join(_rectangle(span, axis) for span in self.spans)


@dataclass(frozen=True, slots=True)
class Event:
    """Something that was done, or tried: what came of it, with which version, and by whom."""

    at: datetime
    action: str
    outcome: str
    version: str
    actor: str
    reason: str
    percent: float | None  # where on the axis; None outside of it


def alerts_of(history: History) -> list[Alert]:
    """Every alert that ever fired: those that fire now first, then the latest."""
    of: dict[str, list[Message]] = {}
    for change in history.changes:
        of.setdefault(change.message.key, []).append(change.message)
    found = [_alert(messages) for messages in of.values()]
    found = [alert for alert in found if alert.spans]
    return sorted(found, key=lambda a: (a.firing, a.spans[-1].start), reverse=True)


def events_of(entries: Mapping[str, Entry], target: str, axis: Axis) -> list[Event]:
    """What moved the service of the target, and retrainings, by the audit log; the latest first."""
    found = [
        _event(entry, axis)
        for entry in entries.values()
        if entry.action in SHOWN and entry.subject.get("target", target) == target
    ]
    return sorted(found, key=lambda e: e.at, reverse=True)[:_TOLD]


def _alert(messages: Sequence[Message]) -> Alert:
    spans: list[Span] = []
    for message in messages:
        if message.state == "firing":
            spans.append(Span(message.start, None))
        elif spans and spans[-1].end is None:
            spans[-1] = Span(spans[-1].start, max(message.start, spans[-1].start))
    last = messages[-1]
    return Alert(last.when, last.segment, spans, last.columns)


def _rectangle(span: Span, axis: Axis) -> str:
    left = max(axis.place(span.start), 0.0)
    right = axis.count if span.end is None else min(axis.place(span.end), float(axis.count))
    if right < 0 or left > axis.count:
        return ""
    right = max(right, left + 0.5)
    return f"M{number(left)} 0H{number(right)}V1H{number(left)}z"


def _event(entry: Entry, axis: Axis) -> Event:
    at = _moment(entry)
    subject = entry.subject
    inside = axis.start <= at <= axis.end
    return Event(
        at=at,
        action=entry.action,
        outcome=entry.outcome,
        version=(subject.get("digest") or subject.get("version", ""))[:12],
        actor=entry.actor,
        reason=entry.reason or "",
        percent=axis.percent(at) if inside else None,
    )


def _moment(entry: Entry) -> datetime:
    """Its time; of a retraining the moment that its policy was asked of."""
    for said in (entry.subject.get("at", "") if entry.action == "retrain" else "", entry.time):
        try:
            return datetime.fromisoformat(said).astimezone(UTC)
        except ValueError:
            continue
    return datetime.min.replace(tzinfo=UTC)


def lanes(events: Iterable[Event]) -> dict[str, list[Event]]:
    """What lies on the axis by its action, in the order of `SHOWN`."""
    placed = [event for event in events if event.percent is not None]
    return {a: found for a in SHOWN if (found := [e for e in placed if e.action == a])}
