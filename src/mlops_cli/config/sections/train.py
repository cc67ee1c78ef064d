"""The section `train`."""

from __future__ import annotations

from pydantic import Field

from mlops_cli.config.sections.base import Section


class TrainConfig(Section):
    """The estimator and how it is judged."""

    estimator: str = Field(
        "xgboost",
        pattern=r"^(xgboost|sklearn:[A-Za-z_][\w.]*\.[A-Za-z_]\w*)$",
        description="xgboost, or sklearn:module.Class such as sklearn:linear_model.Ridge",
    )
    metric: str | None = Field(None, description="default: roc_auc, log_loss or rmse by task")
    seed: int = Field(0, ge=0, lt=2**31)
    params: dict[str, bool | int | float | str] = Field(
        default_factory=dict, description="fixed parameters, which the search does not touch"
    )
