"""The section `split`."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, model_validator

from mlops_cli.config.sections.base import Section, Share


class SplitConfig(Section):
    """Shares of the whole for validation and hold-out; what is left is for training."""

    by: Literal["time", "stratified", "random"] | None = Field(
        None,
        description="default: time where data.time is given, else stratified (regression: random)",
    )
    validation: Share = 0.2
    holdout: Share = 0.2

    @model_validator(mode="after")
    def _leaves_a_training_part(self) -> SplitConfig:
        if self.validation + self.holdout >= 1:
            raise ValueError("validation and holdout leave nothing to train on")
        return self
