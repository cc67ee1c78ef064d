"""The section `monitor`: how what is deployed is watched."""

from __future__ import annotations

from datetime import timedelta

from pydantic import Field

from mlops_cli.config.sections.alerts import Alerting
from mlops_cli.config.sections.base import Duration


class MonitorConfig(Alerting):
    """What is kept of what was predicted, and who is told when."""

    keep: Duration = Field(
        timedelta(days=400),
        description="how long collected predictions and labels are kept, from the newest one back",
    )
