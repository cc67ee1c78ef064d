"""The section `data`: the table, and what is predicted of it."""

from __future__ import annotations

import re

from pydantic import Field

from mlops_cli.config.sections.base import Duration, ProjectPath, Section

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

    table: ProjectPath
    target: str = Field(min_length=1, description="a column, or `name = expression`")
    time: str | None = Field(None, description="the column that says when an event happened")
    window: Duration | None = Field(
        None, description="learn only from rows so long before the newest one; null: from all"
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
    def target_name(self) -> str:
        """The name of what is predicted."""
        match = _TARGET.match(self.target)
        return (match[1] or match[2]) if match else self.target.strip()

    @property
    def target_expression(self) -> str | None:
        """The expression behind the target; None where the target is a column."""
        match = _TARGET.match(self.target)
        return match[3] if match else None
