"""Alertmanager itself takes an alert, tells it, and lets go of it when it is resolved."""

from __future__ import annotations

from pathlib import Path

import pytest

from alertmanager import Alertmanager, needs_prometheus
from listener import Listener
from mlops_cli._poll import wait_until
from mlops_cli.alerts.base import Metric
from mlops_cli.alerts.notify import notify
from observations import NOW, day, project

pytestmark = needs_prometheus


def test_it_tells_an_alert_once_and_lets_go_of_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with Listener() as people:
        manager = Alertmanager(tmp_path, f"{people.url}/told")
        try:
            monkeypatch.setenv("AM", manager.url)
            where = project(
                tmp_path, alerts=[{"when": "roc_auc < baseline - 5%"}],
                sinks=[{"alertmanager": "${AM}"}],
            )  # fmt: skip
            low = Metric(0.7, 0.68, 0.72, baseline=0.9)
            assert not notify(where, [day(1, roc_auc=low)], NOW).waiting
            (alert,) = manager.alerts()
            assert alert["labels"] == {
                "alertname": "mlops_roc_auc", "project": "rain", "target": "local",
                "when": "roc_auc < baseline - 5%", "key": "rain/local/roc_auc<baseline-5%",
                "severity": "warning",
            }  # fmt: skip
            assert "roc_auc is 0.7" in alert["annotations"]["summary"]
            assert wait_until(lambda: len(people.inbox) == 1, seconds=20)
            good = Metric(0.9, 0.88, 0.92, baseline=0.9)
            assert not notify(where, [day(2, roc_auc=good)], NOW).waiting
            assert wait_until(lambda: not manager.alerts(), seconds=20)
            assert wait_until(lambda: len(people.inbox) == 2, seconds=20)
        finally:
            manager.stop()
    assert [told["status"] for told in people.inbox] == ["firing", "resolved"]
