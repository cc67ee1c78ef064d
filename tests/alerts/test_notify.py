"""From what was seen to what arrives: each change once, in order, and nothing is lost."""

from __future__ import annotations

import itertools
import json
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from listener import Listener
from mlops_cli.alerts import deliver
from mlops_cli.alerts.base import Metric, Notified, Observation
from mlops_cli.alerts.notify import notify
from mlops_cli.config.project import Project
from observations import NOW, day, minute, project


@pytest.fixture
def hook(monkeypatch: pytest.MonkeyPatch) -> Iterator[Listener]:
    with Listener() as listener:
        monkeypatch.setenv("HOOK", f"{listener.url}/hooks/s3cr3t-p4th")
        yield listener


def hooked(root: Path, *alerts: dict[str, Any] | str) -> Project:
    asked = [{"when": alert} if isinstance(alert, str) else alert for alert in alerts]
    return project(root, alerts=asked, sinks=[{"webhook": "${HOOK}"}])


def told(hook: Listener) -> list[tuple[str, str]]:
    return [(message["when"], message["state"]) for message in hook.inbox]


def run(where: Project, *seen: Observation) -> Notified:
    return notify(where, seen, NOW)


def test_a_fault_of_two_days_is_told_twice_its_begin_and_its_end(
    tmp_path: Path, hook: Listener
) -> None:
    where = hooked(tmp_path, "null_rate > 5%")
    for number, rate in enumerate((0.0, 0.2, 0.3, 0.01), 1):
        run(where, day(number, null_rate=rate, columns=("temp", "humid")))
        run(where, day(number, null_rate=rate, columns=("temp", "humid")))
    assert told(hook) == [("null_rate > 5%", "firing"), ("null_rate > 5%", "resolved")]
    first = hook.inbox[0]
    assert first == {
        "state": "firing",
        "when": "null_rate > 5%",
        "key": "rain/local/null_rate>5%",
        "metric": "null_rate",
        "value": 0.2,
        "threshold": 0.05,
        "window": {"start": "2026-02-02T00:00:00Z", "end": "2026-02-03T00:00:00Z"},
        "target": "local",
        "version": "a1b2c3d4e5f6",
        "segment": None,
        "columns": ["temp", "humid"],
        "more": first["more"],
        "note": None,
    }
    assert "2026-02-02" in first["more"]
    assert hook.inbox[1]["key"] == first["key"]


def test_each_segment_has_its_own_incident(tmp_path: Path, hook: Listener) -> None:
    where = hooked(tmp_path, "drift")
    run(where, day(1, drift=0.0), day(1, drift=1.0, segment="origin=JFK"))
    run(where, day(2, drift=1.0, segment="origin=LGA"), day(2, drift=0.0, segment="origin=JFK"))
    assert sorted((m["segment"], m["state"]) for m in hook.inbox) == [
        ("origin=JFK", "firing"),
        ("origin=JFK", "resolved"),
        ("origin=LGA", "firing"),
    ]
    assert len({m["key"] for m in hook.inbox}) == 2


@pytest.mark.parametrize("at_once", [False, True])
def test_while_all_rows_fire_a_segment_begins_no_incident(
    tmp_path: Path, hook: Listener, *, at_once: bool
) -> None:
    where = hooked(tmp_path, "drift")
    days = [
        (day(1, drift=1.0, segment="origin=JFK"), day(1, drift=1.0)),
        (day(2, drift=1.0, segment="origin=JFK"), day(2, drift=1.0, segment="origin=LGA")),
        (day(3, drift=0.0), day(3, drift=1.0, segment="origin=JFK")),
        (day(4, drift=0.0, segment="origin=JFK"), day(4, drift=0.0)),
    ]
    for seen in [itertools.chain(*days)] if at_once else days:
        run(where, *seen)
    assert sorted(
        (str(m["segment"]), m["window"]["start"][:10], m["state"]) for m in hook.inbox
    ) == [
        ("None", "2026-02-01", "firing"),
        ("None", "2026-02-03", "resolved"),
        ("origin=JFK", "2026-02-01", "firing"),
        ("origin=JFK", "2026-02-04", "resolved"),
    ]


def test_what_a_sink_did_not_take_is_sent_at_the_next_run_once(
    tmp_path: Path, hook: Listener
) -> None:
    where = hooked(tmp_path, "drift")
    hook.mood = 500
    first = run(where, day(1, drift=1.0))
    assert [d.fault for d in first.waiting] == ["it answered 500: ok"]
    run(where, day(2, drift=0.0))
    hook.mood = 200
    last = run(where)
    assert [(d.key, d.state) for d in last.sent] == [
        ("rain/local/drift", "firing"), ("rain/local/drift", "resolved"),
    ]  # fmt: skip
    assert run(where) == Notified()
    assert told(hook) == [("drift", "firing"), ("drift", "resolved")]


def test_one_sink_that_is_away_holds_up_no_other(
    tmp_path: Path, hook: Listener, monkeypatch: pytest.MonkeyPatch
) -> None:
    with Listener() as other:
        monkeypatch.setenv("OTHER", other.url)
        sinks = [{"webhook": "${OTHER}"}, {"webhook": "${HOOK}"}, {"slack": "${NOT_SET}"}]
        where = project(tmp_path, alerts=[{"when": "drift"}], sinks=sinks)
        other.mood = 503
        found = run(where, day(1, drift=1.0))
    assert told(hook) == [("drift", "firing")]
    assert {d.sink: d.fault for d in found.waiting} == {
        "webhook": "it answered 503: ok",
        "slack": "the environment variable NOT_SET is not set",
    }
    assert [d.sink for d in found.sent] == ["webhook-2"]


@pytest.mark.parametrize("mood", ["hang", "drip"])
def test_a_sink_that_hangs_costs_a_bounded_time(
    tmp_path: Path, hook: Listener, monkeypatch: pytest.MonkeyPatch, mood: str
) -> None:
    monkeypatch.setattr(deliver, "SECONDS", 0.6)
    hook.mood = mood
    begin = time.monotonic()
    found = run(hooked(tmp_path, "drift", "skew"), day(1, drift=1.0, skew=1.0))
    assert time.monotonic() - begin < 10
    assert {d.fault for d in found.waiting} == {"it took longer than 0.6 s"}
    assert len(hook.asked) == 1  # the second message does not wait for the same sink again


def test_a_redirect_is_not_followed(tmp_path: Path, hook: Listener) -> None:
    with Listener() as thief:
        hook.mood = f"to {thief.url}/take"
        found = run(hooked(tmp_path, "drift"), day(1, drift=1.0))
        assert thief.asked == []
    assert [d.fault for d in found.waiting] == [
        "it answered 307, to 127.0.0.1, and a redirect is not followed"
    ]


def test_the_address_of_a_hook_stands_in_no_file_and_no_message(
    tmp_path: Path, hook: Listener, monkeypatch: pytest.MonkeyPatch
) -> None:
    where = hooked(tmp_path, "drift")
    hook.said = b"no hook at /hooks/s3cr3t-p4th"
    for mood in (404, 500, "to /hooks/s3cr3t-p4th", 200):
        hook.mood = mood
        found = run(where, day(1, drift=1.0))
        assert "s3cr3t" not in repr(found)
    monkeypatch.setenv("HOOK", "http://127.0.0.1:1/hooks/s3cr3t-p4th")
    assert "s3cr3t" not in repr(run(where, day(2, drift=0.0)))
    monkeypatch.setenv("HOOK", "s3cr3t-no-url")
    assert "s3cr3t" not in repr(run(where))
    kept = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert kept
    assert not [path for path in kept if b"s3cr3t" in path.read_bytes()]
    assert "s3cr3t" not in json.dumps(hook.inbox)


def test_a_message_that_a_sink_refuses_holds_up_its_own_incident_alone(
    tmp_path: Path, hook: Listener
) -> None:
    where = hooked(tmp_path, "drift", "skew")
    hook.mood = 422
    found = run(where, day(1, drift=1.0, skew=1.0))
    assert len(hook.asked) == 2
    assert len(found.waiting) == 2
    hook.mood = 200
    run(where)
    assert sorted(told(hook)) == [("drift", "firing"), ("skew", "firing")]


def test_labels_that_come_late_replay_no_history(tmp_path: Path, hook: Listener) -> None:
    where = hooked(tmp_path, "roc_auc < baseline - 5%")

    def auc(value: float) -> Metric:
        return Metric(value, value - 0.01, value + 0.01, baseline=0.9)

    run(where, day(1, roc_auc=auc(0.9)), day(2, roc_auc=auc(0.7)), day(3, roc_auc=auc(0.9)))
    hook.inbox.clear()
    run(where, day(1, roc_auc=auc(0.6)), day(2, roc_auc=auc(0.6)))  # two old windows, judged again
    assert told(hook) == []
    run(where, day(3, roc_auc=auc(0.6)))  # the newest one: its verdict changes
    assert told(hook) == [("roc_auc < baseline - 5%", "firing")]


def test_labels_of_an_old_window_count_where_no_newer_one_has_any(
    tmp_path: Path, hook: Listener
) -> None:
    where = hooked(tmp_path, "roc_auc < 0.8", "drift")
    run(where, day(1, drift=0.0), day(2, drift=0.0), day(3, drift=0.0))
    run(where, day(1, drift=0.0, roc_auc=0.7))
    assert told(hook) == [("roc_auc < 0.8", "firing")]


def test_two_commands_at_once_tell_each_change_once(tmp_path: Path, hook: Listener) -> None:
    where = hooked(tmp_path, "drift", "skew", "null_rate > 5%")
    seen = [day(n, drift=n % 2, skew=(n + 1) % 2, null_rate=0.2) for n in range(1, 8)]
    runs = [threading.Thread(target=run, args=(where, *seen[:k])) for k in (7, 5, 3, 7)]
    for each in runs:
        each.start()
    for each in runs:
        each.join()
    states = {when: [s for w, s in told(hook) if w == when] for when, _ in told(hook)}
    assert states["null_rate > 5%"] == ["firing"]
    for found in states.values():  # they alternate: none came twice
        assert all(a != b for a, b in itertools.pairwise(found))
        assert found[0] == "firing"


def test_the_command_of_a_minute_shows_the_window_around_it(tmp_path: Path, hook: Listener) -> None:
    run(hooked(tmp_path, "latency_p99 > 200ms"), minute(90, latency_p99=300.0))
    (message,) = hook.inbox
    assert message["window"]["start"] == "2026-02-01T01:30:00Z"
    shown = "--since 2026-02-01T00:00:00Z --until 2026-02-02T00:00:00Z"
    assert message["more"] == f"mlops monitor {shown} --target local"


def test_an_alert_that_is_asked_for_no_more_is_closed(tmp_path: Path, hook: Listener) -> None:
    run(hooked(tmp_path, "drift", "skew"), day(1, drift=1.0, skew=1.0))
    run(hooked(tmp_path, "skew"))
    assert told(hook)[2:] == [("drift", "resolved")]


def test_a_new_sink_is_told_of_what_happens_from_then_on(tmp_path: Path, hook: Listener) -> None:
    before = project(tmp_path, alerts=[{"when": "drift"}])
    run(before, day(1, drift=1.0))
    after = hooked(tmp_path, "drift")
    run(after, day(2, drift=1.0))
    assert told(hook) == []
    run(after, day(3, drift=0.0))
    assert told(hook) == [("drift", "resolved")]


def test_what_is_written_survives_a_torn_line_and_a_lost_file(
    tmp_path: Path, hook: Listener
) -> None:
    where = hooked(tmp_path, "drift")
    run(where, day(1, drift=1.0))
    log = tmp_path / "monitoring" / "alerts.jsonl"
    with log.open("ab") as file:
        file.write(b'{"event":"change","id":"rain/lo')  # as a kill leaves it
    (tmp_path / "monitoring" / "alerts.json").unlink()
    run(where, day(1, drift=1.0))
    run(where, day(2, drift=1.0))
    assert told(hook) == [("drift", "firing")]
    run(where, day(3, drift=0.0))
    assert told(hook) == [("drift", "firing"), ("drift", "resolved")]


def test_minutes_that_flap_within_a_run_are_one_incident(tmp_path: Path, hook: Listener) -> None:
    where = hooked(tmp_path, "latency_p99 > 200ms")
    run(where, *[minute(n, latency_p99=400.0 if n % 2 else 5.0) for n in range(60)])
    assert told(hook) == [("latency_p99 > 200ms", "firing")]
    run(where, *[minute(n, latency_p99=5.0) for n in range(60, 70)])
    assert told(hook)[1:] == [("latency_p99 > 200ms", "resolved")]


def test_nothing_configured_is_nothing_written(tmp_path: Path) -> None:
    assert run(project(tmp_path), day(1, drift=1.0)) == Notified()
    assert list(tmp_path.iterdir()) == []


def test_a_message_names_all_the_time_that_it_held(tmp_path: Path, hook: Listener) -> None:
    where = hooked(tmp_path, {"when": "error_rate > 1%", "for": "5m"})
    run(where, *[minute(n, error_rate=0.5) for n in range(4)])
    assert told(hook) == []
    run(where, minute(4, error_rate=0.5))
    assert hook.inbox[0]["window"] == {
        "start": "2026-02-01T00:00:00Z", "end": "2026-02-01T00:05:00Z",
    }  # fmt: skip
