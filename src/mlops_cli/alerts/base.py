"""What monitoring hands to alerts (observations), and what alerts make of it (messages)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal

State = Literal["firing", "resolved"]


@dataclass(frozen=True, slots=True)
class Metric:
    """A figure of a window or of a minute; latencies in milliseconds, shares and rates in 0 to 1.

    `low` and `high` are the ends of its interval, where it has one: a condition on it fires only
    where the far end, too, has passed the bound. `baseline` is the same figure at training, which
    `roc_auc < baseline - 5%` is held against. `drift`, `target_drift`, `concept_drift` and
    `skew` are 1 for yes and 0 for no.
    """

    value: float
    low: float | None = None
    high: float | None = None
    baseline: float | None = None


@dataclass(frozen=True, slots=True)
class Observation:
    """What was seen of a target between `start` and `end` (UTC, aware), of all rows or a segment.

    `segment` is such as `origin=JFK`, or None for all rows; `version` is the one that answered.
    A minute has `latency_*` and `error_rate` alone, a window the others; what has no rows is no
    observation, or one without metrics. `columns` are those that carry what is wrong, the worst
    first; of some metrics `columns_of` has their own. `broken`: the data of the window has a
    fault, so its drift and performance say nothing.
    """

    start: datetime
    end: datetime
    target: str
    version: str
    segment: str | None
    metrics: Mapping[str, Metric]
    columns: tuple[str, ...] = ()
    broken: bool = False
    columns_of: Mapping[str, tuple[str, ...]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Message:
    """One change of one alert, as every sink tells it in its own form.

    `when` is the condition as configured, `key` is equal for the messages of an incident, and
    `more` is the command that shows more.
    """

    state: State
    when: str
    key: str
    metric: str
    value: float
    threshold: float
    start: datetime
    end: datetime
    target: str
    version: str
    segment: str | None = None
    columns: tuple[str, ...] = ()
    more: str = ""


@dataclass(frozen=True, slots=True)
class Delivery:
    """A message (by the key and state of its change) and a sink; `fault` says why it waits."""

    key: str
    state: State
    sink: str
    fault: str | None = None


@dataclass(frozen=True, slots=True)
class Notified:
    """What came of a run: alerts that fired and resolved, what was sent, and what waits."""

    fired: tuple[Message, ...] = ()
    resolved: tuple[Message, ...] = ()
    sent: tuple[Delivery, ...] = ()
    waiting: tuple[Delivery, ...] = ()
