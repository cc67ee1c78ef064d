"""Observations and projects for the tests of alerts, as monitoring would make them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from mlops_cli.alerts.base import Metric, Observation
from mlops_cli.config.load import check_config
from mlops_cli.config.project import Project

NOW = datetime(2026, 3, 1, 6, tzinfo=UTC)
_FIRST = datetime(2026, 2, 1, tzinfo=UTC)


def project(root: Path, *, task: str = "binary", **monitor: Any) -> Project:
    """A project's configuration with this section `monitor`, and a folder for its files."""
    data = {"table": "data/raw/rain.parquet", "target": "rain"}
    raw = {"project": "rain", "task": task, "data": data, "monitor": monitor}
    return Project(root, check_config(raw, file="mlops.yaml"))


def day(
    number: int,
    *,
    segment: str | None = None,
    columns: tuple[str, ...] = (),
    broken: bool = False,
    version: str = "a1b2c3d4e5f6",
    **metrics: Metric | float,
) -> Observation:
    """The window of a day of February 2026, counted from 1."""
    start = _FIRST + timedelta(days=number - 1)
    return Observation(
        start=start,
        end=start + timedelta(days=1),
        target="local",
        version=version,
        segment=segment,
        metrics=_metrics(metrics),
        columns=columns,
        broken=broken,
    )


def minute(number: int, **metrics: Metric | float) -> Observation:
    """A minute of 1 February 2026, counted from 0."""
    start = _FIRST + timedelta(minutes=number)
    end = start + timedelta(minutes=1)
    return Observation(start, end, "local", "a1b2c3d4e5f6", None, _metrics(metrics))


def _metrics(given: dict[str, Metric | float]) -> dict[str, Metric]:
    return {
        name: value if isinstance(value, Metric) else Metric(value) for name, value in given.items()
    }
