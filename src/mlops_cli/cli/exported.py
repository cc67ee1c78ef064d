"""What `mlops export` may be asked, and what it wrote, as lines for a terminal."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from mlops_cli.cli.execute import relative

if TYPE_CHECKING:
    from mlops_cli.actions.export import ExportResult


class Where(StrEnum):
    """For which system."""

    prometheus = "prometheus"
    grafana = "grafana"
    logs = "logs"
    schedule = "schedule"
    helm = "helm"
    argo_rollouts = "argo-rollouts"
    istio = "istio"
    keda = "keda"
    argocd = "argocd"
    kserve = "kserve"
    workers = "workers"
    feast = "feast"


SYSTEMS = "|".join(where.value for where in Where)


class Clock(StrEnum):
    """What runs a schedule."""

    cron = "cron"
    systemd = "systemd"
    cronjob = "cronjob"
    github = "github"


def render_export(result: ExportResult) -> None:
    """A line a file."""
    for name in result.written:
        typer.echo(f"wrote {relative(Path(result.folder) / name)}")
    for name in result.unchanged:
        typer.echo(f"as it was: {relative(Path(result.folder) / name)}")
    for remark in result.remarks:
        typer.echo(remark)
