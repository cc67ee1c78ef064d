"""The section `drift`."""

from __future__ import annotations

from datetime import timedelta
from typing import Literal

from pydantic import Field

from mlops_cli.config.sections.base import Duration, Section


class DriftConfig(Section):
    """How many false alarms a month are accepted, how often drift is looked for, who draws."""

    false_alarms_per_month: float = Field(1.0, gt=0)
    every: Duration = Field(timedelta(days=1), description="how often `mlops drift` is run")
    pictures: Literal["svg", "evidently"] = Field(
        "svg", description="who draws the page's columns; evidently needs mlops-cli[evidently]"
    )
