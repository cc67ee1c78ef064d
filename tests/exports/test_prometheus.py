"""Rules, their own tests and the scrape configuration, held to promtool and to the service."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

from mlops_cli.exports.base import write_files
from mlops_cli.exports.grafana import grafana_files, panels_of
from mlops_cli.exports.prometheus import prometheus_files
from mlops_cli.exports.rules import recordings, rules, told_elsewhere
from mlops_cli.serving.metrics import Metrics
from observations import project

ALERTS = [
    {"when": "drift"},
    {"when": "latency_p99 > 200ms", "for": "5m"},
    {"when": "latency_p99 > 1s"},
    {"when": "latency_p50 > 4s"},
    {"when": "latency_mean > 0.3s", "for": "1h"},
    {"when": "latency_p95 < 1ms"},
    {"when": "error_rate > 1%", "for": "2d"},
    {"when": "latency_p99 > 7s"},
]


def promtool(folder: Path, *arguments: str) -> str:
    done = subprocess.run(
        ["promtool", *arguments], cwd=folder, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def exported(folder: Path, target: str = "local", **monitor: Any) -> Path:
    write_files(folder, prometheus_files(project(folder, **monitor), target))
    return folder


@pytest.mark.prometheus
@pytest.mark.skipif(not shutil.which("promtool"), reason="promtool is not on PATH")
@pytest.mark.parametrize("alerts", [[], ALERTS], ids=["no alerts", "alerts"])
def test_promtool_takes_the_rules_and_their_tests(tmp_path: Path, alerts: list[Any]) -> None:
    folder = exported(tmp_path, alerts=alerts)
    assert "SUCCESS" in promtool(folder, "check", "rules", "rules.yml")
    assert "SUCCESS" in promtool(folder, "test", "rules", "rules_test.yml")


@pytest.mark.prometheus
@pytest.mark.skipif(not shutil.which("promtool"), reason="promtool is not on PATH")
def test_the_exported_tests_fail_for_a_rule_that_was_broken(tmp_path: Path) -> None:
    folder = exported(tmp_path, alerts=ALERTS)
    text = (folder / "rules.yml").read_text(encoding="utf-8")
    (folder / "rules.yml").write_text(text.replace("> 0.2", "> 20"), encoding="utf-8")
    done = subprocess.run(
        ["promtool", "test", "rules", "rules_test.yml"],
        cwd=folder, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 1
    assert "MlopsLatencyP99" in done.stdout + done.stderr


@pytest.mark.prometheus
@pytest.mark.skipif(not shutil.which("promtool"), reason="promtool is not on PATH")
@pytest.mark.parametrize("target", ["local", "docker"])  # Debian's knows no clusters
def test_promtool_takes_the_scrape_configuration(tmp_path: Path, target: str) -> None:
    sinks = [{"alertmanager": "http://alerts.example.org:9093/prefix"}, {"alertmanager": "${AM}"}]
    folder = exported(tmp_path, target, sinks=sinks)
    promtool(folder, "check", "config", "prometheus.yml")
    text = (folder / "prometheus.yml").read_text(encoding="utf-8")
    assert "alerts.example.org:9093" in text
    assert "AM" not in text.replace("ALERT", "")


def test_on_a_cluster_each_pod_of_the_service_is_scraped(tmp_path: Path) -> None:
    folder = exported(tmp_path, "kubernetes")
    (job,) = YAML(typ="safe").load(folder / "prometheus.yml")["scrape_configs"]
    (found,) = job["kubernetes_sd_configs"]
    assert found["role"] == "pod"
    assert found["selectors"][0]["label"] == (
        "app.kubernetes.io/name=rain,app.kubernetes.io/instance=rain"
    )
    assert "static_configs" not in job


def test_each_condition_is_told_by_one_of_the_two(tmp_path: Path) -> None:
    where = project(tmp_path, alerts=ALERTS)
    told = [rule.labels["when"] for rule in rules(where) if "when" in rule.labels]
    assert told == [a["when"] for a in ALERTS[1:7]]
    assert told_elsewhere(where) == ["drift", "latency_p99 > 7s"]  # no bucket is that long
    names = [rule.alert for rule in rules(where)]
    assert len(set(names)) == len(names)


def served() -> set[str]:
    """The names that a service which has done everything tells."""
    metrics = Metrics()
    metrics.answered(200, 0.01, 1, "champion", "a1b2")
    metrics.logged(1, 1)
    metrics.looked_up(1, 1)
    text = metrics.exposition([{"model": "rain", "version": "a1b2"}]).decode()
    return set(re.findall(r"^(mlops_\w+?)(?:\{| )", text, re.M))


def test_rules_and_panels_ask_for_what_there_is(tmp_path: Path) -> None:
    where = project(tmp_path, alerts=ALERTS)
    known = served() | {recording.record for recording in recordings("rain")}
    known |= {"mlops_monitor_firing", "mlops_monitor_metric"}
    asked = [rule.expr for rule in rules(where)] + [r.expr for r in recordings("rain")]
    asked += [expr for panel in panels_of("rain") for expr, _ in panel.queries]
    found = {name for text in asked for name in re.findall(r"\bmlops[_:][\w:]+", text)}
    assert found
    assert found - known == set()


@pytest.mark.prometheus
@pytest.mark.skipif(not shutil.which("promtool"), reason="promtool is not on PATH")
def test_every_query_of_the_dashboard_is_one(tmp_path: Path) -> None:
    queries = [expr for panel in panels_of("rain") for expr, _ in panel.queries]
    plain = [
        {"record": f"q{i}", "expr": q.replace("$__rate_interval", "1m")}
        for i, q in enumerate(queries)
    ]
    groups = {"groups": [{"name": "panels", "rules": plain}]}
    (tmp_path / "panels.yml").write_text(json.dumps(groups), encoding="utf-8")
    promtool(tmp_path, "check", "rules", "panels.yml")


def test_the_dashboard_is_one_to_grafanas_own_classes(tmp_path: Path) -> None:
    from grafana_foundation_sdk.cog.encoder import JSONEncoder
    from grafana_foundation_sdk.models.dashboard import Dashboard

    text = grafana_files(project(tmp_path))["dashboard.json"]
    written = json.loads(text)
    read = json.loads(JSONEncoder().encode(Dashboard.from_json(written)))
    lost = [path for path in _leaves(written) if path not in set(_leaves(read))]
    assert lost == []  # a key that Grafana does not know would be lost
    ids = [panel["id"] for panel in written["panels"]]
    assert len(set(ids)) == len(ids) >= 12
    places = [tuple(panel["gridPos"][k] for k in "xy") for panel in written["panels"]]
    assert len(set(places)) == len(places)


def _leaves(value: Any, path: str = "") -> list[str]:
    if isinstance(value, dict) and value:
        return [leaf for key, inner in value.items() for leaf in _leaves(inner, f"{path}.{key}")]
    if isinstance(value, list) and value:
        return [leaf for i, inner in enumerate(value) for leaf in _leaves(inner, f"{path}.{i}")]
    return [f"{path}={value!r}"] if value not in ("", {}, [], None) else []
