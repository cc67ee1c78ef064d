"""Rules of a contract that no row breaks by itself: it takes the whole table, or another one."""

from __future__ import annotations

from typing import Literal

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    StrictFloat,
    StrictInt,
    StrictStr,
    model_validator,
)

from mlops_cli.config.sections.base import Duration

_FACTORS = {"iqr": 3.0, "mad": 5.0}


class Part(BaseModel):
    """What a contract is made of: it refuses unknown keys, and does not change."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class Outliers(Part):
    """No value of a number lies far outside the others of the same table.

    `iqr`: within `factor` interquartile ranges of the quartiles (Tukey); `mad`: within `factor`
    times 1.4826 median absolute deviations of the median, which is that many standard deviations
    of a normal distribution (Iglewicz and Hoaglin). Where the range or deviation is 0, there is
    no scale to be far on, and no value is an outlier.
    """

    by: Literal["iqr", "mad"] = "iqr"
    factor: StrictInt | StrictFloat | None = Field(None, gt=0, description="default: 3, of mad 5")
    max_share: StrictInt | StrictFloat = Field(
        0, ge=0, lt=1, description="of the rows: up to here outliers are not told"
    )

    @property
    def fence(self) -> float:
        """How many ranges or deviations are allowed."""
        return _FACTORS[self.by] if self.factor is None else float(self.factor)


class ForeignKey(Part):
    """The values of `columns` stand together in a row of another table; those with a null pass."""

    columns: tuple[StrictStr, ...] = Field(min_length=1)
    table: StrictStr = Field(min_length=1, description="the other table, by its contract's name")
    to: tuple[StrictStr, ...] = Field((), description="its columns; default: of the same names")

    @property
    def others(self) -> tuple[str, ...]:
        """The columns of the other table."""
        return self.to or self.columns

    @model_validator(mode="after")
    def _as_many(self) -> ForeignKey:
        if len(self.others) != len(self.columns):
            raise ValueError(f"{len(self.columns)} columns refer to {len(self.to)}")
        return self


class RowCounts(Part):
    """How many rows each window of a time column has.

    Windows begin at midnight UTC, those of weeks on Monday. `min` is not asked of the first and
    the last one, which are seldom whole.
    """

    column: StrictStr
    window: Duration
    min: StrictInt | None = Field(None, ge=0)
    max: StrictInt | None = Field(None, ge=0)

    @model_validator(mode="after")
    def _has_a_bound(self) -> RowCounts:
        if self.min is None and self.max is None:
            raise ValueError("row_counts needs a min or a max")
        if self.min is not None and self.max is not None and self.min > self.max:
            raise ValueError(f"min {self.min} is above max {self.max}")
        if self.window.total_seconds() <= 0:
            raise ValueError("the window is not longer than nothing")
        return self


class Distribution(Part):
    """At most a share of the rows lies elsewhere than in the last published version's table.

    The statistic is the total variation distance over the tenths of a number (of a text its
    categories) as they were, with missing values as one more bin. What two samples of one
    distribution differ by, but for one time in a million, is allowed beside `max_moved`.
    """

    columns: tuple[StrictStr, ...] = Field(min_length=1)
    max_moved: StrictInt | StrictFloat = Field(0.2, ge=0, le=1, description="share of the rows")


class Shares(Part):
    """A column of a published version, in counts: `mlops contract publish` writes it.

    Of a number `edges`: `counts[i]` are the values up to `edges[i]` and above the edge before it,
    the last those above all. Of a text or boolean `values`, and the last count is of all others.
    """

    rows: StrictInt = Field(ge=0)
    missing: StrictInt = Field(ge=0)
    edges: tuple[StrictFloat, ...] | None = None
    values: tuple[StrictStr, ...] | None = None
    counts: tuple[StrictInt, ...] = Field(min_length=1)


class Query(Part):
    """A SELECT over the project's tables, each by its contract's name, that finds what is bad.

    Rows that it gives with their `__row__` (as `select * from NAME where ...` does) are bad rows;
    without it no row may come.
    """

    name: StrictStr = Field(min_length=1)
    sql: StrictStr = Field(min_length=1)
