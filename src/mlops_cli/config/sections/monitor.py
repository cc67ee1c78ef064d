"""The section `monitor`: how what is deployed is watched."""

from __future__ import annotations

from datetime import timedelta
from typing import Literal

from pydantic import Field, field_validator

from mlops_cli.config.sections.alerts import Alerting
from mlops_cli.config.sections.base import Duration

LEAST = timedelta(minutes=1)


class MonitorConfig(Alerting):
    """How long a window is, what it is held to, what is kept, and who is told when."""

    window: Duration | None = Field(
        None,
        description="how long a window is, on a fixed grid since 1970 UTC; default: drift.every. "
        "drift.false_alarms_per_month holds over its columns and segments together",
    )
    baseline: Literal["training", "last_window", "same_weekday"] = Field(
        "training", description="what a window's inputs and predictions are compared with"
    )
    segments: tuple[str, ...] = Field(
        (), description="inputs, each value of which is judged by itself, too"
    )
    labels_after: Duration = Field(
        timedelta(days=7), description="how long a label usually takes to come"
    )
    keep: Duration = Field(
        timedelta(days=400),
        description="how long collected predictions and labels are kept, from the newest one back",
    )

    @field_validator("window")
    @classmethod
    def _long_enough(cls, value: timedelta | None) -> timedelta | None:
        if value is not None and value < LEAST:
            raise ValueError("a window is at least a minute long (1m)")
        return value

    @field_validator("segments")
    @classmethod
    def _no_segment_twice(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        if len(set(value)) < len(value):
            raise ValueError("a column is named twice")
        return value
