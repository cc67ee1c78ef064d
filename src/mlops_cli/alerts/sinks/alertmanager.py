"""Prometheus' Alertmanager, by its API v2; grouping, routes and repetition are its own."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from mlops_cli.alerts.base import Message
from mlops_cli.alerts.sinks.base import filled
from mlops_cli.alerts.sinks.http import post
from mlops_cli.alerts.text import moment, note, plain, title

# It resolves by itself what is not told again before its end; ours is told once.
_UNTIL_RESOLVED = timedelta(days=365)


class Alertmanager:
    """POSTs an alert that stands until it is resolved."""

    incidents = True

    def __init__(self, url: str, project: str) -> None:
        self._url, self._project = url, project

    def send(self, message: Message, number: str) -> None:
        """See `Sink.send`; the labels of the alert make a repetition harmless."""
        body = self.body(message, datetime.now(UTC))
        post(f"{filled(self._url).rstrip('/')}/api/v2/alerts", body)

    def body(self, message: Message, now: datetime) -> list[dict[str, object]]:
        """The alert; `now` is the clock that Alertmanager has, too."""
        labels = {
            "alertname": f"mlops_{message.metric}",
            "project": self._project,
            "when": message.when,
            "key": message.key,
            "target": message.target,
            "severity": "warning",
        }
        if message.segment:
            labels["segment"] = message.segment
        ends = now + _UNTIL_RESOLVED if message.state == "firing" else now
        annotations = {
            "summary": f"{self._project}: {title(message)}",
            "description": plain(message),
            "note": note(message) or "",
            "version": message.version,
            "command": message.more,
        }
        return [
            {
                "labels": labels,
                "annotations": {name: text for name, text in annotations.items() if text},
                "startsAt": moment(min(message.end, now)),
                "endsAt": moment(ends),
            }
        ]
