"""The section `train`."""

from __future__ import annotations

import re
from typing import Annotated, Literal

from pydantic import AfterValidator, Field, model_validator

from mlops_cli.config.sections.base import Section, Share, one_of

_FORMS = {
    "xgboost": r"xgboost",
    "lightgbm": r"lightgbm",
    "catboost": r"catboost",
    "auto": r"auto",
    "sklearn": r"sklearn:[A-Za-z_][\w.]*\.[A-Za-z_]\w*",
}
AUTO = "auto"  # the best of several estimators, or an average of them


def _in_its_form(estimator: str) -> str:
    form = _FORMS.get(estimator.partition(":")[0])
    if form and not re.fullmatch(form, estimator):
        raise ValueError(
            "write xgboost, lightgbm, catboost, auto, or sklearn:module.Class "
            "(sklearn:linear_model.Ridge)"
        )
    return estimator


class CostsConfig(Section):
    """What the two kinds of error cost, in one unit: only how they relate matters."""

    false_positive: float = Field(gt=0, description="a row called positive that is not")
    false_negative: float = Field(gt=0, description="a positive row that is not called so")


class MitigateConfig(Section):
    """What is done so that groups of `data.sensitive` are treated alike."""

    method: Literal["reweighing"] = Field(
        "reweighing",
        description="rows count as much as if group and target were independent; one model, "
        "served without the column",
    )
    columns: tuple[str, ...] = Field(
        (), description="of data.sensitive; default: all of them together"
    )


class SelectConfig(Section):
    """Which features the model is given, found out on the rows that it is fitted on."""

    method: Literal["mutual_information", "rfe", "shap"] = Field(
        "shap",
        description="how features are put in order: what each tells of the target by itself, by "
        "leaving out the least used again and again, or by how far each moves a booster's answers",
    )
    keep: Annotated[int, Field(ge=1)] | Literal["auto"] = Field(
        "auto", description="how many stay; auto: as few as lose nothing that folds could tell"
    )


class TrainConfig(Section):
    """The estimator and how it is judged."""

    estimator: Annotated[
        str,
        one_of(
            "estimator",
            "xgboost",
            "lightgbm",
            "catboost",
            "auto",
            "sklearn:module.Class",
            "module:function",
        ),
        AfterValidator(_in_its_form),
    ] = Field(
        "xgboost",
        pattern=r"^[A-Za-z_][\w.-]*(:[\w.-]+)?$",
        description="xgboost, lightgbm, catboost, sklearn:module.Class such as "
        "sklearn:linear_model.Ridge, module:function of the project that makes one, what another "
        "package brings, or auto: the best of the first three that are installed, or an average",
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
    weights: str | None = Field(
        None,
        min_length=1,
        description="a column of the table that says how much a row counts where models are "
        "fitted and rounds chosen; it is no feature, and every metric counts each row once",
    )
    update: str | None = Field(
        None,
        pattern=r"^[0-9a-f]{12}$",
        description="go on from this version of the registry, rather than from nothing: `mlops "
        "train --update` writes the champion here",
    )
    refit: Literal["all"] | None = Field(
        None,
        description="all: serve a model that was fitted again on every row, the hold-out with it; "
        "metrics and gates are of its twin, which had not seen the hold-out",
    )
    calibrate: Literal["isotonic", "sigmoid", "temperature"] | None = Field(
        None,
        description="fitted on rows that the model had not seen, so that of rows with 0.3 three in "
        "ten are positive; of several classes: temperature",
    )
    costs: CostsConfig | None = Field(
        None, description="the label then follows the threshold of least cost, instead of 0.5"
    )
    interval: Share | None = Field(
        None, description="of a regression: answer low and high, between which so many targets lie"
    )
    quantiles: tuple[Share, Share] | None = Field(
        None,
        description="of a regression by xgboost: the interval is as wide as the row asks for, by a "
        "model each of these two quantiles",
    )

    mitigate: MitigateConfig | None = Field(
        None, description="of a classification: treat the groups of data.sensitive more alike"
    )

    categories: Literal["codes", "ordered"] = Field(
        "codes",
        description="codes: a category is its place in the alphabet; ordered: in the order of the "
        "target's mean, as the rows of each fit have it",
    )
    select: SelectConfig | None = Field(
        None, description="leave out features that the model does as well without"
    )

    @model_validator(mode="after")
    def _what_is_selected_is_not_fixed(self) -> TrainConfig:
        if self.select is None:
            return self
        if self.update is not None:
            raise ValueError("update goes on with a version's features, and select chooses anew")
        if self.quantiles is not None:
            raise ValueError(
                "quantiles are held to the validation part, which the last choice of select has "
                "seen: use interval, or leave out select"
            )
        named = next((n for n in self.params if n.endswith("_constraints")), None)
        if named is not None:
            raise ValueError(
                f"params.{named} counts features by their place, which select changes: use "
                "monotone, or leave out one"
            )
        return self

    @model_validator(mode="after")
    def _an_order_has_not_seen_what_judges(self) -> TrainConfig:
        if self.categories == "ordered" and self.quantiles is not None:
            raise ValueError(
                "quantiles are held to the validation part, whose targets order the categories: "
                "use interval, or leave out categories"
            )
        return self

    @model_validator(mode="after")
    def _quantiles_are_in_order(self) -> TrainConfig:
        if self.quantiles is None:
            return self
        low, high = self.quantiles
        if low >= high:
            raise ValueError(f"quantiles: {low:g} is not below {high:g}")
        if self.estimator != "xgboost":
            raise ValueError("quantiles are learned by xgboost alone: leave them out, or use it")
        return self

    @model_validator(mode="after")
    def _auto_is_several(self) -> TrainConfig:
        if self.estimator == AUTO and self.params:
            raise ValueError("params are of one estimator, and estimator is auto: name one")
        if self.estimator == AUTO and self.update is not None:
            raise ValueError("update goes on from one estimator's model, and estimator is auto")
        return self

    @model_validator(mode="after")
    def _an_update_has_seen_all(self) -> TrainConfig:
        if self.update is not None and self.refit is not None:
            raise ValueError(
                "refit fits a model anew on every row, and update goes on from one: leave out one"
            )
        if self.update is not None and self.needs_unseen:
            raise ValueError(
                "update goes on from a model without predictions of rows that it had not seen, "
                "which calibrate, costs, interval and quantiles are made of: train from nothing"
            )
        return self

    @property
    def needs_unseen(self) -> bool:
        """Whether anything is made of predictions of rows that the model had not seen."""
        return any(v is not None for v in (self.calibrate, self.costs, self.level))

    @property
    def level(self) -> float | None:
        """How often the target is to lie between low and high; None without an interval."""
        if self.interval is not None or self.quantiles is None:
            return self.interval
        return round(self.quantiles[1] - self.quantiles[0], 12)


DECIDED = (
    "calibrate",
    "costs",
    "interval",
    "quantiles",
    "refit",
)  # after the search, which needs none
