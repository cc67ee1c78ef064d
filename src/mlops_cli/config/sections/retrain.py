"""The section `retrain`: when the model is to be trained again, and on which data."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Annotated, Literal

from pydantic import AfterValidator, Field

from mlops_cli.config.sections.base import Duration, Section, duration

_PERCENT = re.compile(r"(\d{1,2}(?:\.\d{1,6})?)\s*%")


def _duration(text: str) -> str:
    duration(text)
    return text


def _percent(text: str) -> str:
    if _PERCENT.fullmatch(text) is None or not float(text.rstrip("% ")):
        raise ValueError(f"{text!r} is no percentage between 0 and 100, such as 5%")
    return text


class EveryTrigger(Section):
    """So long after the retraining before, or after the first window that was judged."""

    every: Annotated[str, AfterValidator(_duration)]

    @property
    def length(self) -> timedelta:
        """The time that `every` is."""
        return duration(self.every)

    def __str__(self) -> str:
        return f"every: {self.every}"


class DropTrigger(Section):
    """The main metric is surely worse than what training measured, by that share of it."""

    metric_drop: Annotated[str, AfterValidator(_percent)]

    @property
    def share(self) -> float:
        """What `metric_drop` is, between 0 and 1."""
        return float(self.metric_drop.rstrip("% ")) / 100

    def __str__(self) -> str:
        return f"metric_drop: {self.metric_drop}"


class DriftTrigger(Section):
    """So many windows in a row drifted."""

    drift: int = Field(ge=1)

    def __str__(self) -> str:
        return f"drift: {self.drift}"


Trigger = EveryTrigger | DropTrigger | DriftTrigger


class RetrainConfig(Section):
    """When `mlops retrain` trains, and on what."""

    when: tuple[Trigger, ...] = Field((), description="any of them asks for a retraining")
    window: Literal["all"] | Duration = Field(
        "all", description="the training data: all of it, or that much before its newest row"
    )
    cooldown: Duration = Field(
        timedelta(days=7), description="so long after a retraining there is no other one"
    )
    per_month: int = Field(4, ge=1, description="retrainings in 30 days, at the most")
    branch: str = Field(
        "retrain",
        pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*(/[A-Za-z0-9][A-Za-z0-9._-]*)*$",
        description="what comes before the time in the name of the branch that a person merges",
    )
