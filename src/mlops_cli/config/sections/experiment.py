"""The section `ab`: by what two versions that share the traffic are compared."""

from __future__ import annotations

import re
from typing import Annotated, Literal

from pydantic import AfterValidator, Field, model_validator

from mlops_cli.config.sections.base import Section
from mlops_cli.config.sections.rollout import Margin

LOGGED = {
    "error_rate": "lower",
    "latency_ms": "lower",
    "prediction_mean": None,
    "label": "lower",
    "outcome": None,
}
"""Metrics that the log and the labels have, and which way is better."""
_RATIO = re.compile(r"^(.*\S) / (\S.*)$")
Better = Literal["higher", "lower"]


def parts_of(metric: str) -> tuple[str, str | None]:
    """A metric's columns: `revenue / visits` is a ratio of two, any other name is of one."""
    match = _RATIO.match(metric)
    return (match[1], match[2]) if match else (metric, None)


def _plain(metric: str) -> str:
    metric = metric.strip()
    for part in parts_of(metric):
        if part is not None and (not part or part in LOGGED) and part != metric:
            raise ValueError(f"a ratio is of two columns of the KPI file, and {part!r} is none")
    return metric


Metric = Annotated[str, Field(min_length=1, max_length=200), AfterValidator(_plain)]


class GuardrailConfig(Section):
    """What a winner may not be surely worse in."""

    metric: Metric = Field(description="as `ab.primary`")
    worse_by: Margin = Field(description="a number in the metric's unit, or 2% of the champion's")
    better: Better | None = Field(
        None, description="default: lower for error_rate, latency_ms and label, else higher"
    )

    @model_validator(mode="after")
    def _is_no_time(self) -> GuardrailConfig:
        if isinstance(self.worse_by, str) and self.worse_by.endswith("ms"):
            raise ValueError("`worse_by` is a number in the metric's own unit, or such as 2%")
        return self

    @property
    def margin(self) -> tuple[float, bool]:
        """`worse_by` as a number, and whether it is a part of the champion's level."""
        if isinstance(self.worse_by, str):
            return float(self.worse_by.rstrip("% ")) / 100, True
        return self.worse_by, False

    @property
    def direction(self) -> str:
        """Which way is better."""
        return self.better or LOGGED.get(self.metric) or "higher"


class AbConfig(Section):
    """How `mlops ab` compares two versions that share the traffic."""

    primary: Metric | None = Field(
        None,
        description="the metric that decides: a column of the KPI file, `A / B` of two of them, or "
        "error_rate, latency_ms, prediction_mean, label (the loss), outcome. Default: the only "
        "column of the KPI file, or without one label",
    )
    better: Better | None = Field(
        None, description="of the primary; default: lower for error_rate, latency_ms and label"
    )
    guardrails: tuple[GuardrailConfig, ...] = (
        GuardrailConfig(metric="error_rate", worse_by=0.005),
    )
    segments: tuple[str, ...] = Field(
        (), description="inputs or columns of data.id, each value of which is compared, too"
    )
    planned: int = Field(
        10_000,
        ge=100,
        description="observations of both arms at which intervals are shortest; not to be changed "
        "while the experiment runs",
    )

    @model_validator(mode="after")
    def _names_each_once(self) -> AbConfig:
        guarded = [g.metric for g in self.guardrails]
        for names, what in ((guarded, "guardrails"), (self.segments, "segments")):
            if len(set(names)) < len(names):
                raise ValueError(f"`{what}` names one twice")
        return self
