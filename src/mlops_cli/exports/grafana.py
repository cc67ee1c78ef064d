"""`mlops export grafana`: a dashboard over what the service and `mlops monitor` tell Prometheus."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from mlops_cli._templates import render_yaml
from mlops_cli.config.project import Project

_WIDTH, _HEIGHT = 8, 8  # of 24 columns: three panels a row


@dataclass(frozen=True, slots=True)
class Panel:
    """A panel: what it asks (each query with the name of its lines), and the unit of its axis."""

    title: str
    queries: tuple[tuple[str, str], ...]
    unit: str = "short"
    kind: Literal["timeseries", "stat", "table"] = "timeseries"
    about: str = ""


def grafana_files(project: Project) -> dict[str, str]:
    """The dashboard, to be imported, or provisioned from the folder."""
    name = project.config.project
    panels = [
        {
            "id": number + 1,
            "x": number * _WIDTH % 24,
            "y": number * _WIDTH // 24 * _HEIGHT,
            "title": panel.title,
            "about": panel.about,
            "kind": panel.kind,
            "unit": panel.unit,
            "queries": [
                {"ref": chr(ord("A") + place), "expr": expr, "legend": legend}
                for place, (expr, legend) in enumerate(panel.queries)
            ],
        }
        for number, panel in enumerate(panels_of(name))
    ]
    text = render_yaml(
        "grafana/dashboard.json.j2",
        uid=f"mlops-{name}"[:40],
        title=f"Model {name}",
        panels=panels,
        width=_WIDTH,
        height=_HEIGHT,
    )
    return {"dashboard.json": text}


def panels_of(job: str) -> list[Panel]:
    """The panels, in order."""
    of = f'{{job="{job}"}}'
    monitor = f'{{project="{job}"}}'
    seconds = f"sum by (le) (rate(mlops_request_seconds_bucket{of}[$__rate_interval]))"

    def rate(name: str, by: str) -> str:
        return f"sum by ({by}) (rate({name}{of}[$__rate_interval]))"

    def seen(metric: str) -> str:
        return f'mlops_monitor_metric{{project="{job}",metric=~"{metric}",segment=""}}'

    failed = f'sum(rate(mlops_requests_total{{job="{job}",code=~"5.."}}[$__rate_interval]))'
    asked = f"sum(rate(mlops_requests_total{of}[$__rate_interval]))"
    return [
        Panel("Answers", ((f"min(up{of})", "up"),), kind="stat", about="1: every server answers"),
        Panel("Alerts that fire", ((f"sum(mlops_monitor_firing{monitor})", ""),), kind="stat"),
        Panel("Models", ((f"mlops_model_info{of}", ""),), kind="table"),
        Panel("Requests", ((rate("mlops_requests_total", "code"), "{{code}}"),), "reqps"),
        Panel("Errors", ((f"({failed} or vector(0)) / {asked}", "5xx"),), "percentunit"),
        Panel(
            "Latency",
            tuple((f"histogram_quantile({q / 100}, {seconds})", f"p{q}") for q in (50, 95, 99)),
            "s",
        ),
        Panel("Requests by version", ((rate("mlops_requests_total", "version, variant"),
            "{{version}} {{variant}}"),), "reqps"),
        Panel("Predictions", ((rate("mlops_predictions_total", "job"), "predictions"),), "ops"),
        Panel(
            "At work",
            ((f"sum(mlops_requests_in_flight{of})", "in flight"),
             (f"sum(mlops_connections{of})", "connections")),
        ),
        Panel("Prediction log", ((rate("mlops_log_lines_total", "outcome"),
            "{{outcome}}"),), "ops"),
        Panel(
            "Cache hits",
            ((f"sum(rate(mlops_cache_hits_total{of}[$__rate_interval])) / "
              f"sum(rate(mlops_cache_lookups_total{of}[$__rate_interval]))", "hits"),),
            "percentunit",
        ),
        Panel("Rows of a window", ((seen("volume"), "rows"),), about="what mlops monitor saw"),
        Panel("Drift", ((seen("drift|target_drift|concept_drift|skew|prediction_drift"),
            "{{metric}}"),)),
        Panel("Quality", ((seen("null_rate|unseen_rate|out_of_range"),
            "{{metric}}"),), "percentunit"),
        Panel(
            "Performance",
            ((f'mlops_monitor_metric{{project="{job}",kind=~"performance|estimated",segment=""}}',
              "{{metric}}"),),
            about="what is estimated without labels cannot see that the target follows from the "
            "inputs in another way",
        ),
    ]  # fmt: skip
