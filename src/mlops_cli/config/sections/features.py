"""The section `features`: what the model sees."""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated, Any, Literal

from pydantic import Discriminator, Field, Tag, model_validator

from mlops_cli.config.sections.base import Duration, ProjectPath, Section

SQLITE = "sqlite"  # as the online store: a file of this machine, in .mlops/
StoreUrl = Annotated[str, Field(pattern=r"^(sqlite|rediss?://[^\s]+)$")]
Source = Annotated[
    Literal["table", "online"],
    Field(
        description="where a server has it from: the request brings it, or it is looked up by key "
        "in features.online"
    ),
]


class OnlineConfig(Section):
    """Where a server looks features up by key."""

    url: StoreUrl
    ttl: Duration | None = Field(
        None,
        description="how long after `mlops features materialize --until` its values count; later "
        "they are missing. null: for ever",
    )


class JoinConfig(Section):
    """Columns of another table, as they were known at the event's time."""

    table: ProjectPath
    on: tuple[str, ...] = ()
    asof: str | None = Field(
        None,
        description="the joined table's time column; of two rows of one key and moment the last in "
        "the file counts, and without `asof` a key that has two rows is an error",
    )
    known_at: str | None = Field(
        None,
        description="the joined table's column of when a row was written: a correction of a row of "
        "the same key and `asof` is not seen before it",
    )
    lag: Duration = Field(timedelta(0), description="how long after its time a row is known")
    ttl: Duration | None = Field(None, description="how old a row may be, counted from its time")
    columns: tuple[str, ...] = Field(min_length=1)
    source: Source = "table"

    @model_validator(mode="after")
    def _has_a_key(self) -> JoinConfig:
        if not self.on and self.asof is None:
            raise ValueError("a join needs `on`, `asof`, or both")
        if self.known_at is not None and self.asof is None:
            raise ValueError("`known_at` needs `asof`, the time that a row is about")
        if self.known_at is not None and self.known_at == self.asof:
            raise ValueError("`known_at` is the column of `asof`, which says nothing more")
        if self.known_at is not None and self.source == "online":
            raise ValueError("`source: online` has no `known_at`: a store keeps no versions")
        return self

    @property
    def times(self) -> tuple[str, ...]:
        """The joined table's columns of time: `asof` and `known_at`, where they are."""
        return tuple(name for name in (self.asof, self.known_at) if name is not None)


class AggregateConfig(Section):
    """A figure of the rows of a table in a window of time before the event."""

    name: str = Field(min_length=1)
    expr: str = Field(min_length=1, description="such as `avg(x)`, or `sum(a) / count(*)`")
    table: ProjectPath
    by: tuple[str, ...] = Field(min_length=1, description="columns that both tables have")
    window: Duration = Field(description="how far back: rows in (t - lag - window, t - lag]")
    lag: Duration = Field(timedelta(0), description="how long after its time a row is known")
    asof: str | None = Field(None, description="the table's time column; default: data.time")
    source: Source = "table"

    @model_validator(mode="after")
    def _has_a_window(self) -> AggregateConfig:
        if self.window <= timedelta(0):
            raise ValueError("a window is longer than nothing")
        return self


def _form_of(value: Any) -> str:
    if value is None:
        return "None"
    return "StoreUrl" if isinstance(value, str) else "OnlineConfig"


STORE_FORMS = ("StoreUrl", "OnlineConfig")
StoreForm = Annotated[
    Annotated[StoreUrl, Tag("StoreUrl")]
    | Annotated[OnlineConfig, Tag("OnlineConfig")]
    | Annotated[None, Tag("None")],
    Discriminator(_form_of),
]
PythonFunction = Annotated[
    str,
    Field(
        pattern=r"^[^/:@\n][^:@\n]*\.py:[A-Za-z_][A-Za-z0-9_]*$",
        description="FILE.py:FUNCTION, the file relative to the project",
    ),
]


class FeaturesConfig(Section):
    """What the model sees: columns, expressions and functions of one row, joins, aggregates."""

    columns: tuple[str, ...] = ()
    row: dict[str, str] = Field(default_factory=dict, description="name: scalar expression")
    join: tuple[JoinConfig, ...] = ()
    aggregates: tuple[AggregateConfig, ...] = ()
    online: StoreForm = Field(
        None,
        description="where `mlops features materialize` puts features that have `source: online`, "
        "and a server looks them up: sqlite, or redis://host:6379/0 (extra redis); a password as "
        "${VAR}, which the server fills in",
    )

    python: tuple[PythonFunction, ...] = Field(
        (),
        description="pure functions of one row; arguments are named as columns and row features",
    )
    python_in_server: bool = Field(
        False, description="whether a bundle holds their source: a server runs it"
    )

    @property
    def over_time(self) -> bool:
        """Whether whole tables are sorted by keys and time: a join in time, or an aggregate."""
        return bool(self.aggregates) or any(join.asof is not None for join in self.join)

    @property
    def looked_up(self) -> bool:
        """Whether a server looks any feature up."""
        return bool(self.looked_up_tables)

    @property
    def looked_up_tables(self) -> tuple[str, ...]:
        """The tables of what a server looks up."""
        joined = [join.table for join in self.join if join.source == "online"]
        return (*joined, *(a.table for a in self.aggregates if a.source == "online"))

    @property
    def store(self) -> OnlineConfig | None:
        """The online store, None where nothing is looked up."""
        found = OnlineConfig(url=self.online) if isinstance(self.online, str) else self.online
        return found if self.looked_up else None

    @model_validator(mode="after")
    def _has_a_store(self) -> FeaturesConfig:
        if self.looked_up and self.online is None:
            raise ValueError("`source: online` needs `online: sqlite`, or the URL of a Redis")
        return self

    @property
    def python_files(self) -> tuple[str, ...]:
        """The files of `python`, each once."""
        return tuple(dict.fromkeys(text.rpartition(":")[0] for text in self.python))
