"""The section `register`: the gates."""

from __future__ import annotations

from typing import Literal

from pydantic import model_validator

from mlops_cli.config.sections.base import Section


class MetricGate(Section):
    """A hold-out metric must reach a bound."""

    metric: str
    min: float | None = None
    max: float | None = None

    @model_validator(mode="after")
    def _has_a_bound(self) -> MetricGate:
        if (self.min is None) == (self.max is None):
            raise ValueError("a metric gate has either `min` or `max`")
        return self


class ChampionGate(Section):
    """The model must not be worse than the champion on the same hold-out rows."""

    champion: Literal["not_worse"]


class RegisterConfig(Section):
    """What a model must pass to become the champion."""

    gates: tuple[MetricGate | ChampionGate, ...] = (ChampionGate(champion="not_worse"),)
