"""`mlops alerts`: silences, the list, and a try of every sink."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from command_line import Mlops
from listener import Listener
from mlops_cli.actions.alerts import alerting
from mlops_cli.alerts.notify import notify
from mlops_cli.config.project import Project
from mlops_cli.errors import UsageError
from observations import day, project

HOUR = timedelta(hours=1)


@pytest.fixture
def hook(monkeypatch: pytest.MonkeyPatch) -> Iterator[Listener]:
    with Listener() as listener:
        monkeypatch.setenv("HOOK", listener.url)
        yield listener


def hooked(root: Path) -> Project:
    alerts = [{"when": "drift"}, {"when": "null_rate > 5%"}]
    return project(root, alerts=alerts, sinks=[{"webhook": "${HOOK}"}])


def told(hook: Listener) -> list[tuple[str, str]]:
    return [(message["when"], message["state"]) for message in hook.inbox]


def test_what_is_silenced_waits_and_is_told_afterwards(tmp_path: Path, hook: Listener) -> None:
    where, now = hooked(tmp_path), datetime.now(UTC)
    alerting(where, "silence", "null_rate>5%", lasts=HOUR, reason="the feed is being repaired")
    found = notify(where, [day(1, null_rate=0.2, drift=1.0)], now)
    assert told(hook) == [("drift", "firing")]
    assert [(d.key, d.fault) for d in found.waiting] == [("rain/local/null_rate>5%", "silenced")]
    (silence,) = alerting(where).silences
    assert (silence.what, silence.reason) == ("null_rate > 5%", "the feed is being repaired")
    notify(where, [], now + 2 * HOUR)
    assert told(hook)[1:] == [("null_rate > 5%", "firing")]


def test_an_incident_that_ends_within_a_silence_is_told_to_nobody(
    tmp_path: Path, hook: Listener
) -> None:
    where, now = hooked(tmp_path), datetime.now(UTC)
    alerting(where, "silence", "drift", lasts=HOUR)
    notify(where, [day(1, drift=1.0)], now)
    notify(where, [day(2, drift=0.0)], now)
    notify(where, [], now + 2 * HOUR)
    assert told(hook) == []
    assert not alerting(where).waiting


def test_the_end_of_what_was_told_is_told_in_a_silence_too(tmp_path: Path, hook: Listener) -> None:
    where, now = hooked(tmp_path), datetime.now(UTC)
    notify(where, [day(1, drift=1.0)], now)
    alerting(where, "silence", "rain/local/drift", lasts=HOUR)
    notify(where, [day(2, drift=0.0)], now)
    assert told(hook) == [("drift", "firing"), ("drift", "resolved")]


def test_a_silence_of_no_length_ends_it(tmp_path: Path, hook: Listener) -> None:
    where = hooked(tmp_path)
    alerting(where, "silence", "drift", lasts=HOUR)
    assert alerting(where, "silence", "drift", lasts=timedelta(0)).silences == ()
    notify(where, [day(1, drift=1.0)], datetime.now(UTC))
    assert told(hook) == [("drift", "firing")]


def test_a_silence_of_nothing_names_the_nearest(tmp_path: Path) -> None:
    with pytest.raises(UsageError) as caught:
        alerting(hooked(tmp_path), "silence", "nul_rate > 5%", lasts=HOUR)
    assert caught.value.hint == "null_rate > 5%"
    with pytest.raises(UsageError, match="lasts a while"):
        alerting(hooked(tmp_path), "silence", "drift")


def test_the_list_has_what_fires_what_never_did_and_what_waits(
    tmp_path: Path, hook: Listener
) -> None:
    where = hooked(tmp_path)
    hook.mood = 500
    notify(where, [day(1, drift=1.0, columns=("temp",))], datetime.now(UTC))
    found = alerting(where)
    assert [(a.when, a.state, a.columns) for a in found.alerts] == [
        ("null_rate > 5%", "never", ()), ("drift", "firing", ("temp",)),
    ]  # fmt: skip
    assert [(d.sink, d.state) for d in found.waiting] == [("webhook", "firing")]


PROJECT = """project: rain
task: binary
data: {table: data/raw/rain.parquet, target: rain}
monitor:
  alerts: [{when: drift}]
  sinks:
    - {webhook: "${HOOK}"}
    - {slack: "${SLACK_WEBHOOK_URL}"}
    - {pagerduty: "${PD}", url: "${HOOK}"}
"""


def test_a_test_names_each_sink_that_did_not_take_it(
    tmp_path: Path, hook: Listener, mlops: Mlops, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "mlops.yaml").write_text(PROJECT, encoding="utf-8")
    monkeypatch.setenv("PD", "r0ut1ngk3yr0ut1ngk3yr0ut1ngk3y12")
    done = mlops(tmp_path, "alerts", "test", code=8)
    assert "webhook" in done.out
    assert "the environment variable SLACK_WEBHOOK_URL is not set" in done.out
    actions = [body.get("event_action") for body in hook.inbox]
    assert actions == [None, "trigger", "resolve"]  # an incident of a test is closed again
    assert "a test of mlops alerts" in json.dumps(hook.inbox[0])
    monkeypatch.setenv("SLACK_WEBHOOK_URL", hook.url)
    tested = mlops(tmp_path, "alerts", "test", "--json", code=0).result["tested"]
    assert [(t["sink"], t["fault"]) for t in tested] == [
        ("webhook", None), ("slack", None), ("pagerduty", None),
    ]  # fmt: skip


def test_the_command_lists_and_silences(tmp_path: Path, mlops: Mlops) -> None:
    (tmp_path / "mlops.yaml").write_text(PROJECT, encoding="utf-8")
    assert "never fired" in mlops(tmp_path, "alerts", "list", code=0).out
    silenced = mlops(tmp_path, "alerts", "silence", "drift", "--for", "2h", code=0).out
    assert "silent until" in silenced
    refused = mlops(tmp_path, "alerts", "silence", "drift", "--for", "soon", code=2)
    assert "--for" in refused.err
