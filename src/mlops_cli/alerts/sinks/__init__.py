"""Where people are told: one port, a module for each kind of sink."""

from __future__ import annotations

from collections.abc import Sequence
from typing import assert_never

from mlops_cli.alerts.sinks.alertmanager import Alertmanager
from mlops_cli.alerts.sinks.base import Sink
from mlops_cli.alerts.sinks.mail import Mail
from mlops_cli.alerts.sinks.pagerduty import PagerDuty
from mlops_cli.alerts.sinks.slack import Slack
from mlops_cli.alerts.sinks.webhook import Webhook
from mlops_cli.config.sections.alerts import (
    AlertmanagerSink,
    AnySink,
    EmailSink,
    PagerDutySink,
    SlackSink,
    WebhookSink,
)


def open_sink(asked: AnySink, *, project: str) -> Sink:
    """The sink that the configuration asks for; nothing is asked of it yet."""
    match asked:
        case SlackSink():
            return Slack(asked.slack, project)
        case PagerDutySink():
            return PagerDuty(asked, project)
        case EmailSink():
            return Mail(asked, project)
        case WebhookSink():
            return Webhook(asked.webhook)
        case AlertmanagerSink():
            return Alertmanager(asked.alertmanager, project)
        case _:
            assert_never(asked)


def names_of(sinks: Sequence[AnySink]) -> list[str]:
    """What each is called: its kind, and its number among several of the kind.

    The name outlives an edit: what a wrong address did not take is sent to the right one.
    """
    kinds = [next(iter(type(sink).model_fields)) for sink in sinks]
    return [
        kind if (number := kinds[: place + 1].count(kind)) == 1 else f"{kind}-{number}"
        for place, kind in enumerate(kinds)
    ]
