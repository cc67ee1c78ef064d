"""Any server that takes JSON."""

from __future__ import annotations

from mlops_cli.alerts.base import Message
from mlops_cli.alerts.sinks.base import filled
from mlops_cli.alerts.sinks.http import post
from mlops_cli.alerts.text import moment, note


class Webhook:
    """POSTs the message's own fields."""

    incidents = False

    def __init__(self, url: str) -> None:
        self._url = url

    def send(self, message: Message, number: str) -> None:
        """See `Sink.send`; `Idempotency-Key` is the change's number."""
        post(filled(self._url), body(message), {"Idempotency-Key": number})


def body(message: Message) -> dict[str, object]:
    """The message as JSON has it; `value` and `threshold` are in ms, shares of 1, or plain."""
    return {
        "state": message.state,
        "when": message.when,
        "key": message.key,
        "metric": message.metric,
        "value": message.value,
        "threshold": message.threshold,
        "window": {"start": moment(message.start), "end": moment(message.end)},
        "target": message.target,
        "version": message.version,
        "segment": message.segment,
        "columns": message.columns,
        "more": message.more,
        "note": note(message),
    }
