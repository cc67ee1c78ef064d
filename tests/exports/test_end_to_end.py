"""Debian's Prometheus scrapes a server, and an alert of ours reaches Debian's Alertmanager."""

from __future__ import annotations

import json
import urllib.request
from pathlib import Path

import bundles
from alertmanager import Alertmanager, Prometheus, needs_prometheus
from listener import Listener
from mlops_cli._poll import wait_until
from mlops_cli.config.load import load_project
from mlops_cli.exports.base import write_files
from mlops_cli.exports.prometheus import prometheus_files
from running import serving
from servers import free_port

pytestmark = needs_prometheus

CONFIG = """project: delays
task: binary
data: {table: t.csv, target: late}
deploy: {port: PORT}
monitor:
  alerts: [{when: "latency_mean > 0.001ms"}, {when: "latency_p99 > 4s"}]
  sinks: [{alertmanager: "MANAGER"}]
"""


def test_a_condition_on_latency_is_told_by_alertmanager(tmp_path: Path) -> None:
    bundle, port = bundles.write(tmp_path / "model", "binary"), free_port()
    with Listener() as people, serving(bundle.path, "--port", str(port)):
        manager = Alertmanager(tmp_path, people.url)
        text = CONFIG.replace("PORT", str(port)).replace("MANAGER", manager.url)
        (tmp_path / "mlops.yaml").write_text(text, encoding="utf-8")
        files = prometheus_files(load_project(tmp_path), "local")
        hurried = {name: text.replace("15s", "1s") for name, text in files.items()}
        write_files(tmp_path / "out", hurried)
        prometheus = Prometheus(tmp_path, tmp_path / "out" / "prometheus.yml")
        try:
            body = json.dumps(bundles.events(5)[4]).encode()
            request = urllib.request.Request(f"http://127.0.0.1:{port}/v1/predict", body)

            def told() -> bool:
                with urllib.request.urlopen(request, timeout=10) as answer:
                    answer.read()
                return bool(people.inbox)

            assert wait_until(told, seconds=60, step=0.25)
            rate = prometheus.value('mlops:requests:rate{job="delays"}')
            errors = prometheus.value('mlops:errors:share{job="delays"}')
        finally:
            prometheus.stop()
            manager.stop()
    alerts = [alert for message in people.inbox for alert in message["alerts"]]
    assert {alert["labels"]["alertname"] for alert in alerts} == {"MlopsLatencyMean"}
    assert alerts[0]["labels"]["when"] == "latency_mean > 0.001ms"
    assert rate is not None
    assert rate > 0
    assert errors == 0
