"""The section `split`."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field, field_validator, model_validator

from mlops_cli.config.sections.base import Duration, Section, Share


class SplitConfig(Section):
    """Shares of the whole for validation and hold-out; what is left is for training."""

    by: Literal["time", "stratified", "random", "group"] | None = Field(
        None,
        description="default: group where split.key is given, time where data.time is, else "
        "stratified (regression: random)",
    )
    key: tuple[str, ...] = Field(
        (), description="by group: a column or several; rows that are equal in them stay together"
    )
    validation: Share = 0.2
    holdout: Share = 0.2
    gap: Duration | None = Field(
        None, description="by time: rows so long before a later part are not learned from"
    )
    folds: int | None = Field(
        None, ge=2, le=50, description="trials are judged by so many folds of the fitted rows"
    )
    repeats: int = Field(1, ge=1, le=50, description="folds are drawn anew so many times")

    @field_validator("key", mode="before")
    @classmethod
    def _one_or_several(cls, value: Any) -> Any:
        return (value,) if isinstance(value, str) else value

    @model_validator(mode="after")
    def _fits_together(self) -> SplitConfig:
        if self.validation + self.holdout >= 1:
            raise ValueError("validation and holdout leave nothing to train on")
        if self.by == "group" and not self.key:
            raise ValueError("by is group, and key names no column")
        if self.key and self.by not in (None, "group"):
            raise ValueError(f"key is for groups, and by is {self.by}: remove one of the two")
        if len(set(self.key)) < len(self.key):
            raise ValueError("key names a column twice")
        if self.repeats > 1 and self.folds is None:
            raise ValueError("repeats draws folds anew, and folds names no number of them")
        return self
