"""The section `data`: the table, and what is predicted of it."""

from __future__ import annotations

import re

from pydantic import Field

from mlops_cli.config.sections.base import ProjectPath, Section

_TARGET = re.compile(r'^\s*(?:"([^"]+)"|([^\W\d]\w*))\s*=(?!=)\s*(\S.*?)\s*$', re.S)


class DataConfig(Section):
    """The table that events come from, and what is predicted of them."""

    table: ProjectPath
    target: str = Field(min_length=1, description="a column, or `name = expression`")
    time: str | None = Field(None, description="the column that says when an event happened")

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
