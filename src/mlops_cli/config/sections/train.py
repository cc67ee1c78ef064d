"""The section `train`."""

from __future__ import annotations

import re
from typing import Annotated, Literal

from pydantic import AfterValidator, Field

from mlops_cli.config.sections.base import Section, one_of

_FORMS = {
    "xgboost": r"xgboost",
    "lightgbm": r"lightgbm",
    "sklearn": r"sklearn:[A-Za-z_][\w.]*\.[A-Za-z_]\w*",
}


def _in_its_form(estimator: str) -> str:
    form = _FORMS.get(estimator.partition(":")[0])
    if form and not re.fullmatch(form, estimator):
        raise ValueError(
            "write xgboost, lightgbm, or sklearn:module.Class (sklearn:linear_model.Ridge)"
        )
    return estimator


class TrainConfig(Section):
    """The estimator and how it is judged."""

    estimator: Annotated[
        str,
        one_of("estimator", "xgboost", "lightgbm", "sklearn:module.Class"),
        AfterValidator(_in_its_form),
    ] = Field(
        "xgboost",
        pattern=r"^[a-z][\w-]*(:[\w.-]+)?$",
        description="xgboost, lightgbm, or sklearn:module.Class such as "
        "sklearn:linear_model.Ridge, or the name of one that another package brings",
    )
    metric: str | None = Field(None, description="default: roc_auc, log_loss or rmse by task")
    seed: int = Field(0, ge=0, lt=2**31)
    params: dict[str, bool | int | float | str] = Field(
        default_factory=dict, description="fixed parameters, which the search does not touch"
    )
    monotone: dict[str, Literal["increasing", "decreasing"]] = Field(
        default_factory=dict,
        description="feature: increasing or decreasing, which the prediction then never goes "
        "against, all else equal",
    )
    update: str | None = Field(
        None,
        pattern=r"^[0-9a-f]{12}$",
        description="go on from this version of the registry, rather than from nothing: `mlops "
        "train --update` writes the champion here",
    )
