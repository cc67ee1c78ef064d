"""`mlops export prometheus`: rules, their own tests, and how to scrape the service."""

from __future__ import annotations

from datetime import timedelta
from typing import Any
from urllib.parse import urlsplit

from mlops_cli._templates import render_yaml
from mlops_cli.config.project import Project
from mlops_cli.config.sections.alerts import AlertmanagerSink
from mlops_cli.exports.rules import Rule, healthy, recordings, rules, told_elsewhere
from mlops_cli.targets.kubernetes.naming import object_name, pod_selector

_LONGEST_TEST = timedelta(hours=6)


def prometheus_files(project: Project, target: str) -> dict[str, str]:
    """The files by name."""
    return {
        "rules.yml": _rules(project),
        "rules_test.yml": _rules_test(project),
        "prometheus.yml": _scrape(project, target),
    }


def _rules(project: Project) -> str:
    found: list[dict[str, Any]] = [
        {
            "alert": rule.alert,
            "expr": rule.expr,
            "lasts": f"{int(rule.lasts.total_seconds())}s",
            "severity": rule.severity,
            "labels": rule.labels,
            "summary": rule.summary,
        }
        for rule in rules(project)
    ]
    name = project.config.project
    return render_yaml(
        "prometheus/rules.yml.j2",
        project=name,
        recordings=recordings(name),
        rules=found,
        elsewhere=told_elsewhere(project),
    )


def _rules_test(project: Project) -> str:
    name = project.config.project
    tried = [rule for rule in rules(project) if rule.lasts <= _LONGEST_TEST]
    return render_yaml(
        "prometheus/rules_test.yml.j2",
        healthy=healthy(name),
        quiet=[rule.alert for rule in tried if not rule.always],
        rules=[
            {
                "alert": rule.alert,
                "sick": rule.sick,
                "minutes": f"{rule.at}m",
                "summary": rule.summary,
                "expected": _labels(rule, name),
            }
            for rule in tried
        ],
    )  # fmt: skip


def _labels(rule: Rule, project: str) -> dict[str, str]:
    return {"severity": rule.severity, "project": project, **rule.labels, **rule.found}


def _scrape(project: Project, target: str) -> str:
    config = project.config
    cluster = None
    if target == "kubernetes":
        chosen = pod_selector(object_name(config.project))
        cluster = {
            "namespace": config.deploy.kubernetes.namespace,
            "selector": ",".join(f"{name}={value}" for name, value in chosen.items()),
        }
    host = config.deploy.host
    place = f"[{host}]" if ":" in host else host
    return render_yaml(
        "prometheus/prometheus.yml.j2",
        project=config.project,
        managers=list(_managers(project)),
        scheme="https" if config.serve.tls else "http",
        protected=config.serve.metrics == "protected",
        ca=config.serve.tls.cert if config.serve.tls else None,
        cluster=cluster,
        address=f"{place}:{config.deploy.port}",
    )


def _managers(project: Project) -> list[dict[str, str]]:
    """Each Alertmanager of `monitor.sinks` whose address is no secret."""
    found = []
    for sink in project.config.monitor.sinks:
        if isinstance(sink, AlertmanagerSink) and "${" not in sink.alertmanager:
            at = urlsplit(sink.alertmanager)
            host = at.netloc.rpartition("@")[2]
            found.append({"scheme": at.scheme, "path": at.path or "/", "host": host})
    return found
