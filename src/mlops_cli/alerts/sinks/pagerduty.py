"""An incident in PagerDuty: Events API v2, https://developer.pagerduty.com/docs/events-api-v2."""

from __future__ import annotations

from mlops_cli.alerts.base import Message
from mlops_cli.alerts.sinks.base import SinkFault, filled, without
from mlops_cli.alerts.sinks.http import post
from mlops_cli.alerts.sinks.webhook import body
from mlops_cli.alerts.text import moment, title
from mlops_cli.config.sections.alerts import PagerDutySink

_SUMMARY = 1024  # characters


class PagerDuty:
    """Triggers an incident, and resolves it by the same key."""

    incidents = True

    def __init__(self, asked: PagerDutySink, project: str) -> None:
        self._asked, self._project = asked, project

    def send(self, message: Message, number: str) -> None:
        """See `Sink.send`; the key of the incident makes a repetition harmless."""
        key = filled(self._asked.pagerduty)
        try:
            post(filled(self._asked.url), self.body(message, key))
        except SinkFault as e:
            raise SinkFault(without(str(e), key), refused=e.refused) from None

    def body(self, message: Message, routing_key: str) -> dict[str, object]:
        """The event."""
        event: dict[str, object] = {
            "routing_key": routing_key,
            "event_action": "trigger" if message.state == "firing" else "resolve",
            "dedup_key": message.key,
        }
        if message.state == "resolved":
            return event
        return event | {
            "client": "mlops-cli",
            "payload": {
                "summary": f"{self._project}: {title(message)}"[:_SUMMARY],
                "source": f"{self._project}/{message.target}",
                "severity": self._asked.severity,
                "timestamp": moment(message.end),
                "component": self._project,
                "group": message.target,
                "class": message.metric,
                "custom_details": body(message),
            },
        }
