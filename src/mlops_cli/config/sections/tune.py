"""The section `tune`: the search and its ranges."""

from __future__ import annotations

import re
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BeforeValidator, Field, model_validator

from mlops_cli.config.sections.base import Duration, Section


class IntRange(Section):
    """A whole number between two bounds, both included."""

    int_: tuple[int, int] = Field(alias="int")
    log: bool = False


class FloatRange(Section):
    """A number between two bounds."""

    float_: tuple[float, float] = Field(alias="float")
    log: bool = False


class Choice(Section):
    """One of a list."""

    choice: tuple[bool | int | float | str, ...] = Field(min_length=1)


def _is_a_range(value: Any) -> Any:
    known = {"int", "float", "choice"}
    if isinstance(value, IntRange | FloatRange | Choice):
        return value
    if not isinstance(value, dict) or len(known.intersection(value)) != 1:
        raise ValueError(
            "a range is `{float: [0.01, 0.3], log: true}`, `{int: [3, 10]}` or "
            "`{choice: [gbtree, dart]}`"
        )
    return value


SearchRange = Annotated[IntRange | FloatRange | Choice, BeforeValidator(_is_a_range)]


def _is_a_database(value: str) -> str:
    if not re.match(r"(postgresql|postgres)://\S+$|\$\{\w+\}$", value):
        raise ValueError("a search is shared in a PostgreSQL: ${TUNE_URL}, or postgresql://...")
    return value


class TuneConfig(Section):
    """The search for parameters."""

    trials: int = Field(20, ge=1)
    timeout: Duration | None = Field(None, description="stop starting trials after this long")
    sampler: Literal["tpe", "random"] = "tpe"
    pruner: Literal["hyperband", "median", "none"] = "hyperband"
    rounds: int = Field(200, ge=1, description="boosting rounds of a trial, at the most")
    workers: Literal["auto"] | Annotated[int, Field(ge=1)] = Field(
        "auto", description="trials that go on at once; auto: as many as there are cores"
    )
    finish: bool = Field(
        True,
        description="on tables small enough, make the final model an average of several that folds "
        "weigh; not with a space of your own",
    )
    patience: int | None = Field(
        30, ge=1, description="after so many trials without a better one no further is drawn"
    )
    storage: Annotated[str, AfterValidator(_is_a_database)] | None = Field(
        None,
        description="${TUNE_URL}, of a PostgreSQL database (extra postgres) through which "
        "`mlops tune worker` takes part from any machine; a trial has one thread then",
    )
    first: tuple[dict[str, bool | int | float | str], ...] = Field(
        (), description="parameters that are tried before any are drawn"
    )
    space: dict[str, SearchRange] | None = Field(
        None, description="parameter: range; default: a space that suits the estimator"
    )

    @model_validator(mode="after")
    def _ranges_are_in_order(self) -> TuneConfig:
        for name, r in (self.space or {}).items():
            bounds = r.int_ if isinstance(r, IntRange) else getattr(r, "float_", None)
            if bounds and bounds[0] > bounds[1]:
                raise ValueError(f"space.{name}: {bounds[0]} is above {bounds[1]}")
            if bounds and getattr(r, "log", False) and bounds[0] <= 0:
                raise ValueError(f"space.{name}: a logarithmic range starts above 0")
        return self
