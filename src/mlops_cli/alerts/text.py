"""A message in words: what people read in a channel, in a mail and in an incident."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from mlops_cli.alerts.base import Message
from mlops_cli.config.conditions import ESTIMATED, KNOWN, LATENCIES, SHARES, VOLUME, YES_OR_NO

_BLIND = (
    "It is estimated from the inputs and the model's own answers, without labels: a change in how "
    "the target follows from the inputs cannot be seen in it."
)


def title(message: Message) -> str:
    """One line: state, project's place, what is wrong."""
    where = f"{message.segment}, {message.target}" if message.segment else message.target
    if message.state == "resolved":
        return f"Resolved: {message.when} ({where})"
    if _is_plain(message):
        return f"Firing: {message.when}{_in(message.columns)} ({where})"
    return f"Firing: {message.metric} is {figure(message.metric, message.value)} ({where})"


def _in(columns: Sequence[str]) -> str:
    """The column or two that a person who sees one line has to know of."""
    if not columns:
        return ""
    more = f" and {len(columns) - 2} more" if len(columns) > 2 else ""
    return f" in {', '.join(columns[:2])}{more}"


def rows(message: Message) -> list[tuple[str, str]]:
    """What is known of it: names and values, in the order of interest."""
    found = [("Condition", message.when)]
    if not _is_plain(message):
        found += [
            ("Value", figure(message.metric, message.value)),
            ("Threshold", figure(message.metric, message.threshold)),
        ]
    found.append(("Window", f"{moment(message.start)} to {moment(message.end)}"))
    if message.columns:
        found.append(("Columns", ", ".join(message.columns)))
    if message.segment:
        found.append(("Segment", message.segment))
    return [*found, ("Target", message.target), ("Version", message.version)]


def _is_plain(message: Message) -> bool:
    """Whether its condition says all, and a figure nothing."""
    return message.metric in YES_OR_NO or message.metric not in KNOWN


def note(message: Message) -> str | None:
    """What has to be known to read the figure; None where nothing has."""
    return _BLIND if message.metric.startswith(ESTIMATED) else None


def plain(message: Message) -> str:
    """The whole message, a line a fact."""
    lines = [title(message), "", *(f"{name}: {value}" for name, value in rows(message))]
    if said := note(message):
        lines += ["", said]
    return "\n".join([*lines, "", f"More: {message.more}", f"Key: {message.key}", ""])


def figure(metric: str, value: float) -> str:
    """A value with its unit."""
    if metric in LATENCIES:
        return f"{value:.4g} ms"
    if metric in SHARES:
        return f"{100 * value:.3g} %"
    return f"{value:,.0f} rows" if metric == VOLUME else f"{value:.4g}"


def moment(time: datetime) -> str:
    """A time as `2013-10-21T00:00:00Z`."""
    return time.strftime("%Y-%m-%dT%H:%M:%SZ")
