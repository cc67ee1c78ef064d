"""The parts `alerts` and `sinks` of the section `monitor`: when people are told, and where."""

from __future__ import annotations

from datetime import timedelta
from functools import cached_property
from typing import Annotated, Literal

from pydantic import AfterValidator, Field, field_validator

from mlops_cli.config.conditions import Condition, parse_condition
from mlops_cli.config.sections.base import Duration, Section

_PAGERDUTY = "https://events.pagerduty.com/v2/enqueue"
_FILLED = r"\$\{\w+\}"  # filled in when a message is sent, so that it stands nowhere else


def _is_condition(text: str) -> str:
    parse_condition(text)
    return text


def _url(*schemes: str) -> str:
    return rf"^({'|'.join(schemes)})://\S+$|^{_FILLED}"


class AlertConfig(Section):
    """One alert: a condition, and how long it has to hold."""

    when: Annotated[str, AfterValidator(_is_condition)] = Field(
        description="such as `drift`, `latency_p99 > 200ms`, `null_rate > 5%`, "
        "`roc_auc < baseline - 5%`",
    )
    for_: Duration = Field(
        timedelta(0), alias="for", description="fires once it has held for so long"
    )

    @cached_property
    def condition(self) -> Condition:
        """The condition that `when` is."""
        return parse_condition(self.when)


class SlackSink(Section):
    """A channel of Slack, by its incoming webhook."""

    slack: str = Field(pattern=_url("https?"), description="${SLACK_WEBHOOK_URL}")


class PagerDutySink(Section):
    """A service of PagerDuty, by its integration key of the Events API v2."""

    pagerduty: str = Field(
        pattern=rf"^{_FILLED}$", description="${PAGERDUTY_KEY}: the key itself would be in git"
    )
    url: str = Field(_PAGERDUTY, pattern=_url("https?"), description="of another region")
    severity: Literal["critical", "error", "warning", "info"] = "error"


class EmailSink(Section):
    """People, by e-mail."""

    email: tuple[Annotated[str, Field(pattern=r"^[^@\s,<>]+@[^@\s,<>]+$")], ...] = Field(
        min_length=1, description="addresses"
    )
    smtp: str = Field(
        pattern=_url("smtps?"),
        description="${SMTP_URL}, such as smtp://user:password@mail.example.org:587",
    )
    from_: str | None = Field(None, alias="from", pattern=r"^[^@\s,<>]+@[^@\s,<>]+$")


class WebhookSink(Section):
    """Any server that takes JSON by POST."""

    webhook: str = Field(pattern=_url("https?"), description="${HOOK_URL}")


class AlertmanagerSink(Section):
    """Prometheus' Alertmanager, which groups, routes and repeats by its own rules."""

    alertmanager: str = Field(
        pattern=_url("https?"), description="such as http://alertmanager:9093"
    )


AnySink = SlackSink | PagerDutySink | EmailSink | WebhookSink | AlertmanagerSink


class Alerting(Section):
    """What both parts add to the section `monitor`."""

    alerts: tuple[AlertConfig, ...] = Field((), description="when people are told")
    sinks: tuple[AnySink, ...] = Field(
        (), description="where they are told: slack, pagerduty, email, webhook, alertmanager"
    )

    @field_validator("alerts")
    @classmethod
    def _each_once(cls, alerts: tuple[AlertConfig, ...]) -> tuple[AlertConfig, ...]:
        texts = [alert.condition.text for alert in alerts]
        if twice := [text for text in texts if texts.count(text) > 1]:
            raise ValueError(f"`{twice[0]}` stands there twice")
        return alerts
