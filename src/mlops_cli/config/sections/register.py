"""The section `register`: the gates."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, model_validator

from mlops_cli.config.sections.base import Section, one_of
from mlops_cli.config.sections.governance import RoleName


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
    """The model is compared with the champion, and the best of its line, on the same rows."""

    champion: Literal["not_worse", "better"] = Field(
        description="not_worse: not worse by more than chance explains, or with `margin`; better: "
        "surely better",
    )
    margin: float | None = Field(
        None,
        gt=0,
        allow_inf_nan=False,
        description="of `not_worse`: it must surely not be worse by more than this, in the unit of "
        "`train.metric`",
    )

    @model_validator(mode="after")
    def _margin_of_not_worse(self) -> ChampionGate:
        if self.champion == "better" and self.margin is not None:
            raise ValueError("`margin` belongs to `champion: not_worse`")
        return self


class FairnessGate(Section):
    """The groups of `data.sensitive` must be treated alike on the hold-out."""

    fairness: Literal[
        "disparate_impact",
        "demographic_parity_difference",
        "equal_opportunity_difference",
        "equalized_odds_difference",
    ] = Field(description="disparate_impact has a `min`, such as 0.8; a difference has a `max`")
    min: float | None = Field(None, gt=0, le=1)
    max: float | None = Field(None, ge=0, lt=1)
    column: str | None = Field(
        None, description="default: each of data.sensitive; a pair of them is `A & B`"
    )

    @property
    def bound(self) -> float:
        """What it must not be below (`min`) or above (`max`)."""
        return self.max or 0.0 if self.min is None else self.min

    @model_validator(mode="after")
    def _has_its_bound(self) -> FairnessGate:
        ratio = self.fairness == "disparate_impact"
        if (self.min is not None, self.max is not None) != (ratio, not ratio):
            raise ValueError(
                f"{self.fairness} has `{'min' if ratio else 'max'}`, and no other bound"
            )
        return self


class OtherGate(Section):
    """A gate that another package brings, with what it is to know."""

    gate: Annotated[str, one_of("gate")] = Field(pattern=r"^[a-z][\w-]*$")
    options: dict[str, bool | int | float | str] = Field(default_factory=dict)


AnyGate = MetricGate | ChampionGate | FairnessGate | OtherGate


class RegisterConfig(Section):
    """What a model must pass to become the champion."""

    gates: tuple[AnyGate, ...] = (ChampionGate(champion="not_worse"),)
    approvals: tuple[RoleName, ...] = Field(
        (),
        description="roles that must approve a version before it may be promoted; one person fills "
        "one role; none: what passes its gates is the champion",
    )
    branch: str | None = Field(
        None,
        min_length=1,
        description="the main line, where `mlops run` registers; default: what origin calls its "
        "own, else main or master",
    )
