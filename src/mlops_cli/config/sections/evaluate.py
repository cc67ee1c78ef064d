"""The section `evaluate`: what is looked at beside the whole hold-out."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, field_validator

from mlops_cli.config.sections.base import Section


class EvaluateConfig(Section):
    """Parts of the hold-out that are judged by themselves, too."""

    slices: tuple[str, ...] = Field(
        (),
        description="inputs or features, each value (or quarter of its numbers) of which is one, "
        "and conditions on them, such as `distance > 1000`",
    )

    explain: Literal["auto"] | Annotated[int, Field(ge=1)] = Field(
        "auto",
        description="rows of the hold-out that are explained; auto: 1,000, or as many as the model "
        "takes seconds for",
    )

    @field_validator("slices")
    @classmethod
    def _each_once(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        if len(set(value)) < len(value):
            raise ValueError("a slice is named twice")
        return value
