"""The section `data`: the table, and what is predicted of it."""

from __future__ import annotations

import re

from pydantic import Field

from mlops_cli.config.sections.base import Duration, Section
from mlops_cli.config.sections.source import Remote, TableSource, is_file

INGESTED = "data/raw"  # a folder for each table that is no file

_TARGET = re.compile(r'^\s*(?:"([^"]+)"|([^\W\d]\w*))\s*=(?!=)\s*(\S.*?)\s*$', re.S)


class IdConfig(Section):
    """The columns that name whom a row is about, and the row itself; they are never features."""

    subject: tuple[str, ...] = Field((), description="whom a row is about, such as a customer")
    event: tuple[str, ...] = Field((), description="the row itself, such as an order's number")

    @property
    def columns(self) -> tuple[str, ...]:
        """All of them, each once."""
        return tuple(dict.fromkeys((*self.subject, *self.event)))


class DataConfig(Section):
    """The table that events come from, and what is predicted of them."""

    table_: TableSource = Field(
        alias="table",
        description="a CSV or Parquet file of the project; or what `mlops ingest` brings to "
        "data/raw/NAME: a folder, a pattern, JSON lines, a URL, a query, a Delta table, a topic",
    )
    name: str | None = Field(
        None,
        pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,99}$",
        description="of what is ingested: its folder under data/raw and its contract",
    )
    target: str = Field(min_length=1, description="a column, or `name = expression`")
    time: str | None = Field(None, description="the column that says when an event happened")
    window: Duration | None = Field(
        None, description="learn only from rows so long before the newest one; null: from all"
    )
    target_known_after: Duration | None = Field(
        None,
        description="how long after an event its target is known: aggregates that read what it is "
        "made of lag at least so long",
    )
    id: IdConfig = Field(IdConfig(), description="the columns that name a subject and an event")
    purpose: str | None = Field(
        None,
        pattern=r"^[^\s,;|]+$",
        description="what the model is for: contracts with `consent` or `purpose` are held to it",
    )
    sensitive: tuple[str, ...] = Field(
        (),
        description="columns of personal data: the prediction log leaves them out, and a bundle "
        "tells nothing of them that fewer than five rows share",
    )

    @property
    def source(self) -> str | Remote | None:
        """Where `mlops ingest` brings the table from; None of a file that is read as it stands."""
        folder = f"{INGESTED}/{self.name}"
        source = self.table_
        if isinstance(source, str) and (is_file(source) or source.rstrip("/") == folder):
            return None
        return source

    @property
    def table(self) -> str:
        """The table's file; or the folder of what is ingested, which `config.model` has named."""
        source = self.table_
        return source if isinstance(source, str) and is_file(source) else f"{INGESTED}/{self.name}"

    @property
    def target_name(self) -> str:
        """The name of what is predicted."""
        match = _TARGET.match(self.target)
        return (match[1] or match[2]) if match else self.target.strip()

    @property
    def target_expression(self) -> str | None:
        """The expression behind the target; None where the target is a column."""
        match = _TARGET.match(self.target)
        return match[3] if match else None
