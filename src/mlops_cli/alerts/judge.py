"""Observations held to the conditions: which alerts change, and up to when each was judged."""

from __future__ import annotations

import hashlib
import math
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime

from mlops_cli.alerts.base import Message, Observation, State
from mlops_cli.config.conditions import ESTIMATED, LATENCIES, OF_MODELS, VOLUME, Condition
from mlops_cli.config.sections.alerts import AlertConfig

# By broken data.
_SPOILED = ("drift", "prediction_drift", "target_drift", "concept_drift", *OF_MODELS)
_OF_NO_COLUMN = (*LATENCIES, "error_rate", VOLUME, "concept_drift")
_LONGEST_KEY = 200  # characters: PagerDuty takes 255
_MOST_COLUMNS = 5


@dataclass(frozen=True, slots=True)
class Standing:
    """Where an alert stands for a target and a segment.

    `until` is the end of the newest observation that was judged, `since` the start of those, now,
    for which the condition holds without a break.
    """

    state: State = "resolved"
    until: datetime | None = None
    since: datetime | None = None


@dataclass(frozen=True, slots=True)
class Judged:
    """What came of it: the changes in order of time, and where every judged alert stands now."""

    changes: tuple[Message, ...] = ()
    standings: Mapping[str, Standing] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class _Look:
    """An observation held to a condition; neither `beyond` nor `within`: it cannot be told."""

    seen: Observation
    value: float
    threshold: float
    beyond: bool
    within: bool


@dataclass(frozen=True, slots=True)
class _Fires:
    """Whether an alert fires, by what it did before and by its changes since, in order."""

    before: State
    changes: Sequence[Message] = ()

    def at(self, moment: datetime) -> bool:
        states = [change.state for change in self.changes if change.end <= moment]
        return [self.before, *states][-1] == "firing"


def _never(_: datetime) -> bool:
    return False


def judge(
    alerts: Iterable[AlertConfig],
    observations: Sequence[Observation],
    known: Mapping[str, Standing],
    *,
    project: str,
) -> Judged:
    """Hold the observations to the alerts; `known` says where each key stood before.

    What is older than what was judged before is passed over: labels that come late change the
    verdict of the newest window, and replay no history. An incident that comes and goes within
    the observations is two changes; what flaps in them is one incident. While all rows fire, a
    segment of them begins no incident of its own.
    """
    changes: list[Message] = []
    standings: dict[str, Standing] = {}
    for alert in alerts:
        fires: dict[str, _Fires] = {}  # of all rows, by target
        places = _by_place(alert.condition, observations)
        for target, segment in sorted(places, key=lambda place: place[1] is not None):
            key = key_of(project, alert.condition.text, target, segment)
            old = known.get(key, Standing())
            if segment is None:
                covered: Callable[[datetime], bool] = _never
            else:
                of_all = known.get(key_of(project, alert.condition.text, target), Standing())
                covered = fires.setdefault(target, _Fires(of_all.state)).at
            looks = places[target, segment]
            found, standings[key] = _follow(alert, key, looks, old, covered=covered)
            if segment is None:
                fires[target] = _Fires(old.state, found)
            changes += _without_flaps(found)
    return Judged(tuple(sorted(changes, key=lambda change: change.end)), standings)


def key_of(project: str, when: str, target: str, segment: str | None = None) -> str:
    """The key that messages of one incident share, such as `rain/local/drift/origin=JFK`."""
    key = "/".join(filter(None, (project, target, when.replace(" ", ""), segment)))
    key = "".join(c if c.isprintable() else "?" for c in key)
    if len(key) <= _LONGEST_KEY:
        return key
    digest = hashlib.sha256(key.encode()).hexdigest()[:12]
    return f"{key[: _LONGEST_KEY - 13]}~{digest}"


def _by_place(
    condition: Condition, observations: Iterable[Observation]
) -> dict[tuple[str, str | None], list[_Look]]:
    """What the condition says of each observation that it can be held to, in order of time.

    Of one span there may be several, of a version each: the worst counts.
    """
    spans: dict[tuple[str, str | None], dict[tuple[datetime, datetime], list[_Look]]] = {}
    for seen in observations:
        if look := _look(condition, seen):
            place = spans.setdefault((seen.target, seen.segment), defaultdict(list))
            place[seen.end, seen.start].append(look)
    return {
        place: [min(found[span], key=lambda look: (not look.beyond, look.within))
                for span in sorted(found)]
        for place, found in spans.items()
    }  # fmt: skip


def _look(condition: Condition, seen: Observation) -> _Look | None:
    metric = seen.metrics.get(condition.metric)
    if metric is None or not math.isfinite(metric.value):
        return None
    if seen.broken and condition.metric.removeprefix(ESTIMATED) in _SPOILED:
        return None
    threshold = condition.threshold(metric.baseline)
    if threshold is None or not math.isfinite(threshold):
        return None
    far = metric.low if condition.above else metric.high
    holds = condition.holds(metric.value, threshold)
    surely = holds and (far is None or condition.holds(far, threshold))
    return _Look(seen, metric.value, threshold, beyond=surely, within=not holds)


def _follow(
    alert: AlertConfig,
    key: str,
    looks: Iterable[_Look],
    standing: Standing,
    *,
    covered: Callable[[datetime], bool],
) -> tuple[list[Message], Standing]:
    changes = []
    for look in looks:
        seen = look.seen
        if standing.until is not None and seen.end < standing.until:
            continue
        standing = replace(standing, until=seen.end)
        if look.beyond:
            since = min(standing.since or seen.start, seen.start)
            standing = replace(standing, since=since)
            due = seen.end - since >= alert.for_ and not covered(seen.end)
            if standing.state == "resolved" and due:
                standing = replace(standing, state="firing")
                changes.append(_message(alert, key, "firing", look, since))
        elif look.within:
            standing = replace(standing, since=None)
            if standing.state == "firing":
                standing = replace(standing, state="resolved")
                changes.append(_message(alert, key, "resolved", look, seen.start))
    return changes, standing


def _without_flaps(changes: Sequence[Message]) -> Sequence[Message]:
    """The first and the last change, or none where the last leaves all as it was."""
    if len(changes) < 2:
        return changes
    first, last = changes[0], changes[-1]
    if first.state == last.state:
        return (first,) if first.state == "firing" else (last,)
    return (first, last) if first.state == "firing" else ()


def _message(alert: AlertConfig, key: str, state: State, look: _Look, start: datetime) -> Message:
    seen, condition = look.seen, alert.condition
    return Message(
        state=state,
        when=condition.text,
        key=key,
        metric=condition.metric,
        value=look.value,
        threshold=look.threshold,
        start=start,
        end=seen.end,
        target=seen.target,
        version=seen.version,
        segment=seen.segment,
        columns=_columns(condition.metric, seen)[:_MOST_COLUMNS],
    )


def _columns(metric: str, seen: Observation) -> tuple[str, ...]:
    return () if metric in _OF_NO_COLUMN else seen.columns_of.get(metric, seen.columns)
