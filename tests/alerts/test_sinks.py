"""What each service gets, by its own rules: Slack's blocks, PagerDuty's events, mails."""

from __future__ import annotations

import email
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from email.policy import default
from pathlib import Path
from typing import Any
from urllib.parse import quote

import jsonschema
import pytest
from slack_sdk.models.blocks import Block

from certificates import self_signed
from listener import Listener
from mail_server import NAME, PASSWORD, Mailbox
from mlops_cli.alerts.base import Message
from mlops_cli.alerts.sinks import names_of, open_sink
from mlops_cli.alerts.sinks.base import SinkFault
from mlops_cli.alerts.text import title
from mlops_cli.config.sections.alerts import (
    AlertmanagerSink,
    EmailSink,
    PagerDutySink,
    SlackSink,
    WebhookSink,
)

START = datetime(2026, 2, 2, tzinfo=UTC)
MESSAGE = Message(
    state="firing",
    when="null_rate > 5%",
    key="rain/local/null_rate>5%",
    metric="null_rate",
    value=0.213,
    threshold=0.05,
    start=START,
    end=START + timedelta(days=1),
    target="local",
    version="a1b2c3d4e5f6",
    segment="origin=<JFK> & co",
    columns=("temp", "humid"),
    more="mlops config",
)
RESOLVED = replace(MESSAGE, state="resolved", value=0.001)
ESTIMATED = replace(MESSAGE, metric="estimated_roc_auc", when="estimated_roc_auc < 0.8")
# https://github.com/PagerDuty/api-schema, reference/events-v2, and the limits of its documentation
_TEXT = {"type": "string"}
EVENT = {
    "type": "object",
    "required": ["routing_key", "event_action"],
    "additionalProperties": False,
    "properties": {
        "routing_key": {"type": "string", "minLength": 32, "maxLength": 32},
        "event_action": {"enum": ["trigger", "acknowledge", "resolve"]},
        "dedup_key": {"type": "string", "maxLength": 255},
        "client": _TEXT,
        "payload": {
            "type": "object",
            "required": ["summary", "severity", "source"],
            "additionalProperties": False,
            "properties": {
                "summary": {"type": "string", "maxLength": 1024},
                "timestamp": {"type": "string", "format": "date-time"},
                "severity": {"enum": ["critical", "warning", "error", "info"]},
                "source": _TEXT,
                "component": _TEXT,
                "group": _TEXT,
                "class": _TEXT,
                "custom_details": {"type": "object"},
            },
        },
    },
    "if": {"properties": {"event_action": {"const": "trigger"}}},
    "then": {"required": ["payload"]},
    "else": {"required": ["dedup_key"]},
}


@pytest.fixture
def service(monkeypatch: pytest.MonkeyPatch) -> Iterator[Listener]:
    with Listener() as listener:
        monkeypatch.setenv("URL", f"{listener.url}/in")
        yield listener


def sent(asked: Any, *messages: Message) -> None:
    sink = open_sink(asked, project="rain")
    for number, message in enumerate(messages):
        sink.send(message, f"{message.key}#{number}")


@pytest.mark.parametrize(
    "message",
    [
        MESSAGE,
        RESOLVED,
        ESTIMATED,
        replace(MESSAGE, columns=("c" * 3000,), segment="s" * 3000, more="m" * 5000),
    ],
    ids=["firing", "resolved", "estimated", "long"],
)
def test_slack_takes_the_blocks(service: Listener, message: Message) -> None:
    sent(SlackSink(slack="${URL}"), message)
    (body,) = service.inbox
    blocks = Block.parse_all(body["blocks"])
    for block in blocks:
        block.validate_json()
    assert [block.type for block in blocks] == ["header", "section", "context"]
    assert all(len(field["text"]) <= 2000 for field in body["blocks"][1]["fields"])
    assert ("Resolved: " if message.state == "resolved" else "Firing: ") in body["text"]


def test_a_slack_message_says_what_happened_and_what_shows_more(service: Listener) -> None:
    sent(SlackSink(slack="${URL}"), MESSAGE, ESTIMATED)
    shown = str(service.inbox[0])
    for part in ("rain", "21.3 %", "5 %", "2026-02-02T00:00:00Z", "temp, humid", "mlops config"):
        assert part in shown
    assert "origin=&lt;JFK&gt; &amp; co" in shown  # a name in brackets would be a mention
    assert "cannot be seen" not in shown
    assert "cannot be seen" in str(service.inbox[1])


def test_pagerduty_opens_an_incident_and_closes_it(
    service: Listener, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PD", "r0ut1ngk3yr0ut1ngk3yr0ut1ngk3y12")
    service.mood = 202
    asked = PagerDutySink(pagerduty="${PD}", url="${URL}", severity="critical")
    sent(asked, MESSAGE, RESOLVED)
    for event in service.inbox:
        jsonschema.validate(event, EVENT, format_checker=jsonschema.FormatChecker())
    opened, closed = service.inbox
    assert (opened["event_action"], closed["event_action"]) == ("trigger", "resolve")
    assert opened["dedup_key"] == closed["dedup_key"] == MESSAGE.key
    assert opened["payload"]["severity"] == "critical"
    assert opened["payload"]["custom_details"]["columns"] == ["temp", "humid"]


def test_an_integration_key_is_told_to_nobody(
    service: Listener, monkeypatch: pytest.MonkeyPatch
) -> None:
    key = "r0ut1ngk3yr0ut1ngk3yr0ut1ngk3y12"
    monkeypatch.setenv("PD", key)
    service.mood, service.said = 400, f"no such key {key}".encode()
    with pytest.raises(SinkFault) as caught:
        sent(PagerDutySink(pagerduty="${PD}", url="${URL}"), MESSAGE)
    assert str(caught.value) == "it answered 400: no such key ***"
    assert caught.value.refused


def test_a_login_in_an_address_becomes_a_header(
    service: Listener, monkeypatch: pytest.MonkeyPatch
) -> None:
    host = service.url.removeprefix("http://")
    monkeypatch.setenv("URL", f"http://me:p%40ss-w0rd@{host}/in?x=1")
    sent(WebhookSink(webhook="${URL}"), MESSAGE)
    ((path, headers),) = service.asked
    assert path == "/in?x=1"
    assert headers["Authorization"] == "Basic bWU6cEBzcy13MHJk"
    assert headers["Idempotency-Key"] == f"{MESSAGE.key}#0"
    service.mood = 401
    with pytest.raises(SinkFault, match=r"^it answered 401: ok$"):
        sent(WebhookSink(webhook="${URL}"), MESSAGE)


@pytest.mark.parametrize("from_start", [False, True], ids=["starttls", "tls"])
def test_a_mail_over_tls_with_a_login(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, from_start: bool
) -> None:
    pair = self_signed(tmp_path)
    monkeypatch.setenv("SSL_CERT_FILE", str(pair[0]))
    with Mailbox(pair, from_start=from_start) as mailbox:
        scheme = "smtps" if from_start else "smtp"
        login = f"{quote(NAME, safe='')}:{quote(PASSWORD, safe='')}"
        monkeypatch.setenv("SMTP", f"{scheme}://{login}@{mailbox.host}")
        asked = EmailSink(email=("a@example.org", "b@example.org"), smtp="${SMTP}")
        sent(asked, MESSAGE, RESOLVED)
    assert mailbox.logins == [NAME.encode()] * 2
    first, last = (email.message_from_bytes(m.content, policy=default) for m in mailbox.mails)
    assert mailbox.mails[0].rcpt_tos == ["a@example.org", "b@example.org"]
    assert first["From"] == NAME
    assert first["Subject"].startswith("[rain] Firing: null_rate is 21.3 %")
    assert last["Subject"].startswith("[rain] Resolved: null_rate > 5%")
    assert first["References"] == last["References"]  # one thread
    assert first["Message-ID"] != last["Message-ID"]
    body = first.get_content()
    for part in ("Threshold: 5 %", "Columns: temp, humid", "More: mlops config"):
        assert part in body


@pytest.mark.parametrize(
    ("login", "trusted", "said"),
    [
        (f"{quote(NAME, safe='')}:wr0ng-one", True, "Authentication"),
        (f"{quote(NAME, safe='')}:{quote(PASSWORD, safe='')}", False, "CERTIFICATE_VERIFY_FAILED"),
    ],
    ids=["wrong password", "unknown certificate"],
)
def test_a_mail_that_is_not_taken_says_why_and_not_the_password(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, login: str, trusted: bool, said: str
) -> None:
    pair = self_signed(tmp_path)
    if trusted:
        monkeypatch.setenv("SSL_CERT_FILE", str(pair[0]))
    with Mailbox(pair) as mailbox:
        monkeypatch.setenv("SMTP", f"smtp://{login}@{mailbox.host}")
        with pytest.raises(SinkFault) as caught:
            sent(EmailSink(email=("a@example.org",), smtp="${SMTP}"), MESSAGE)
        assert mailbox.mails == []
    assert said in str(caught.value)
    assert "wr0ng" not in str(caught.value)
    assert "s3cr3t" not in str(caught.value)


def test_a_mail_without_a_login_goes_as_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    with Mailbox() as mailbox:
        monkeypatch.setenv("SMTP", f"smtp://{mailbox.host}")
        asked = EmailSink(email=("a@example.org",), smtp="${SMTP}", from_="mlops@example.org")
        sent(asked, replace(MESSAGE, target="lo\r\nBcc: thief@example.org"))
    (mail,) = mailbox.mails
    assert mail.mail_from == "mlops@example.org"
    assert mail.rcpt_tos == ["a@example.org"]
    assert email.message_from_bytes(mail.content)["Bcc"] is None


@pytest.mark.parametrize(
    ("address", "said"),
    [
        ("ftp://x/y", "no URL that begins with http"),
        ("http://[::1", "no URL"),
        ("http://127.0.0.1:1/p4th-s3cr3t", "cannot be reached"),
        ("", "URL is not set"),
    ],
)
def test_an_address_that_is_none_is_told_without_it(
    monkeypatch: pytest.MonkeyPatch, address: str, said: str
) -> None:
    monkeypatch.setenv("URL", address)
    with pytest.raises(SinkFault, match=said) as caught:
        sent(WebhookSink(webhook="${URL}"), MESSAGE)
    assert "s3cr3t" not in str(caught.value)


def test_sinks_are_called_by_their_kind_and_number() -> None:
    hook = WebhookSink(webhook="${URL}")
    others = (SlackSink(slack="${URL}"), AlertmanagerSink(alertmanager="http://a:9093"))
    assert names_of([hook, *others, hook, hook]) == [
        "webhook", "slack", "alertmanager", "webhook-2", "webhook-3",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("columns", "said"),
    [
        ((), "Firing: drift (local)"),
        (("humid",), "Firing: drift in humid (local)"),
        (("humid", "temp", "dewp", "hour"), "Firing: drift in humid, temp and 2 more (local)"),
    ],
)
def test_the_one_line_of_a_drift_names_its_columns(columns: tuple[str, ...], said: str) -> None:
    drift = replace(MESSAGE, when="drift", metric="drift", segment=None, columns=columns)
    assert title(drift) == said
    assert title(replace(drift, state="resolved")) == "Resolved: drift (local)"
