"""The section `features`: what the model sees."""

from __future__ import annotations

from datetime import timedelta

from pydantic import Field, model_validator

from mlops_cli.config.sections.base import Duration, ProjectPath, Section


class JoinConfig(Section):
    """Columns of another table, as they were known at the event's time."""

    table: ProjectPath
    on: tuple[str, ...] = ()
    asof: str | None = Field(
        None,
        description="the joined table's time column; of two rows of one key and moment the last in "
        "the file counts, and without `asof` a key that has two rows is an error",
    )
    lag: Duration = Field(timedelta(0), description="how long after its time a row is known")
    ttl: Duration | None = Field(None, description="how old a row may be, counted from its time")
    columns: tuple[str, ...] = Field(min_length=1)

    @model_validator(mode="after")
    def _has_a_key(self) -> JoinConfig:
        if not self.on and self.asof is None:
            raise ValueError("a join needs `on`, `asof`, or both")
        return self


class AggregateConfig(Section):
    """A figure of the rows of a table in a window of time before the event."""

    name: str = Field(min_length=1)
    expr: str = Field(min_length=1, description="such as `avg(x)`, or `sum(a) / count(*)`")
    table: ProjectPath
    by: tuple[str, ...] = Field(min_length=1, description="columns that both tables have")
    window: Duration = Field(description="how far back: rows in (t - lag - window, t - lag]")
    lag: Duration = Field(timedelta(0), description="how long after its time a row is known")
    asof: str | None = Field(None, description="the table's time column; default: data.time")

    @model_validator(mode="after")
    def _has_a_window(self) -> AggregateConfig:
        if self.window <= timedelta(0):
            raise ValueError("a window is longer than nothing")
        return self


class FeaturesConfig(Section):
    """What the model sees: columns, expressions of one row, joined columns, and aggregates."""

    columns: tuple[str, ...] = ()
    row: dict[str, str] = Field(default_factory=dict, description="name: scalar expression")
    join: tuple[JoinConfig, ...] = ()
    aggregates: tuple[AggregateConfig, ...] = ()
