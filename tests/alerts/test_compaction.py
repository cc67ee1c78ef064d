"""`alerts.jsonl` stays bounded, and what anybody still has to know stays in it."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest

from listener import Listener
from mlops_cli.alerts import compaction
from mlops_cli.alerts.history import Silence, append, changing, read_history
from mlops_cli.alerts.notify import notify
from observations import NOW, minute, project

MOST = 40_000


def test_an_alert_that_comes_and_goes_for_long_leaves_a_bounded_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(compaction, "MOST", MOST)
    with Listener() as hook:
        monkeypatch.setenv("HOOK", hook.url)
        where = project(
            tmp_path,
            alerts=[{"when": "error_rate > 1%"}, {"when": "volume < 10"}],
            sinks=[{"webhook": "${HOOK}"}],
        )
        over = Silence("drift", NOW - timedelta(days=2), NOW - timedelta(days=1))
        still = Silence("skew", NOW, NOW + timedelta(days=1), "known")
        with changing(tmp_path):
            append(tmp_path, [over, still])
        notify(where, [minute(0, volume=1)], NOW)  # fires, and never ends
        rounds = 120
        for i in range(rounds):
            notify(where, [minute(i + 1, error_rate=0.5 * (i % 2 == 0))], NOW)
            assert (tmp_path / "monitoring/alerts.jsonl").stat().st_size < MOST + 2_000
        states = [m["state"] for m in hook.inbox if m["metric"] == "error_rate"]
        assert states == ["firing", "resolved"] * (rounds // 2)  # each once, none again
        assert not notify(where, [minute(0, volume=1)], NOW).sent
    history = read_history(tmp_path)
    assert len(history.changes) < rounds
    last = {change.message.metric: change for change in history.last().values()}
    assert last["volume"].message.state == "firing"
    assert last["error_rate"].id.endswith(f"#{rounds}")
    assert set(history.silences) == {"skew"}


def test_what_a_sink_has_yet_to_take_stays(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOOK", "http://127.0.0.1:9/nobody")
    where = project(tmp_path, alerts=[{"when": "error_rate > 1%"}], sinks=[{"webhook": "${HOOK}"}])
    for i in range(20):
        notify(where, [minute(i, error_rate=0.5 * (i % 2 == 0))], NOW)
    monkeypatch.setattr(compaction, "MOST", 2_000)
    assert len(notify(where, [], NOW).waiting) == 20
    assert [c.id.rpartition("#")[2] for c in read_history(tmp_path).changes] == [
        str(n) for n in range(1, 21)
    ]
