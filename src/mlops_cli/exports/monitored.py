"""What `mlops monitor` found, as metrics: a file for node_exporter, or a Pushgateway."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import datetime
from pathlib import Path
from urllib.parse import quote, urlsplit

from mlops_cli._files import write_text
from mlops_cli.alerts.history import read_history
from mlops_cli.alerts.sinks.base import SinkFault
from mlops_cli.alerts.sinks.http import put_text
from mlops_cli.config.conditions import ESTIMATED, OF_MODELS
from mlops_cli.config.project import Project
from mlops_cli.errors import UsageError
from mlops_cli.monitoring.judging.observed import observations_of
from mlops_cli.monitoring.windows.records import Window
from mlops_cli.monitoring.windows.window_log import read_windows
from mlops_cli.redaction import redact

_FIGURES = "mlops_monitor_metric"
_HELP = {
    "mlops_monitor_last_run_seconds": "When mlops monitor ran last, in seconds since 1970",
    "mlops_monitor_window_end_seconds": "The end of the newest window that was judged",
    "mlops_monitor_firing": "Whether an alert of monitor.alerts fires",
    _FIGURES: "A figure of the newest window in which something was asked",
    f"{_FIGURES}_low": "The lower end of its interval",
    f"{_FIGURES}_high": "The upper end of its interval",
}


def publish(
    project: Project, now: datetime, *, textfile: Path | None, push: str | None
) -> list[str]:
    """Write what was found to a file, push it, or both; returns what went wrong, for people.

    Raises `UsageError` for a file that node_exporter would not read, or a URL that is none; where
    a gateway does not answer, the run of monitor was none the less a good one.
    """
    if textfile is not None and textfile.suffix != ".prom":
        said = f"--textfile {textfile}: node_exporter reads files that end in .prom"
        raise UsageError(said, hint=f"--textfile {textfile.with_suffix('.prom')}")
    if push is not None and urlsplit(push).scheme not in ("http", "https"):
        raise UsageError("--push takes a URL", hint="--push http://pushgateway:9091")
    text = exposition(project, now)
    if textfile is not None:
        write_text(textfile, text)
    if push is None:
        return []
    group = f"/metrics/job/mlops_monitor/project/{quote(project.config.project, safe='')}"
    try:
        put_text(push.rstrip("/") + group, text)
    except SinkFault as e:
        return [f"warning: the Pushgateway did not take the metrics: {redact(str(e))}"]
    return []


def exposition(project: Project, now: datetime) -> str:
    """The metrics in Prometheus' text format; those of one name stand together."""
    lines: dict[str, list[str]] = {name: [] for name in _HELP}
    own = {"project": project.config.project}

    def add(name: str, labels: Mapping[str, str], value: float) -> None:
        shown = ",".join(f'{key}="{_escaped(text)}"' for key, text in labels.items())
        lines[name].append(f"{name}{{{shown}}} {value:.17g}")

    add("mlops_monitor_last_run_seconds", own, now.timestamp())
    for window in _newest(project):
        target = {**own, "target": window.target}
        add("mlops_monitor_window_end_seconds", target, window.end.timestamp())
        for name, labels, value in _figures(window):
            add(name, target | labels, value)
    for change in read_history(project.root).last().values():
        message = change.message
        place = {"target": message.target, "segment": message.segment or ""}
        labels = own | place | {"when": message.when, "key": message.key}
        add("mlops_monitor_firing", labels, float(message.state == "firing"))
    return "".join(
        f"# HELP {name} {_HELP[name]}\n# TYPE {name} gauge\n" + "\n".join(found) + "\n"
        for name, found in lines.items()
        if found
    )


def _newest(project: Project) -> list[Window]:
    """The newest window of each target in which something was asked."""
    found = {window.target: window for window in read_windows(project.root) if window.rows}
    return list(found.values())


def _figures(window: Window) -> Iterator[tuple[str, dict[str, str], float]]:
    for seen in observations_of(window):
        for metric, figure in seen.metrics.items():
            labels = {
                "segment": seen.segment or "",
                "version": seen.version,
                "metric": metric,
                "kind": _kind(metric),
            }
            yield _FIGURES, labels, figure.value
            if figure.low is not None:
                yield f"{_FIGURES}_low", labels, figure.low
            if figure.high is not None:
                yield f"{_FIGURES}_high", labels, figure.high


def _kind(metric: str) -> str:
    if metric.startswith(ESTIMATED):
        return "estimated"
    return "performance" if metric in OF_MODELS else "data"


def _escaped(text: str) -> str:
    return text.replace("\\", r"\\").replace('"', r"\"").replace("\n", r"\n")
