"""The section `validate`."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from mlops_cli.config.sections.base import ProjectPath, Section


class ValidateConfig(Section):
    """How the table is held to its contract."""

    contract: ProjectPath | None = Field(
        None, description="the contract's file; default: contracts/<the table's stem>.yaml"
    )
    tables: tuple[ProjectPath, ...] = Field(
        (), description="further tables, such as those that foreign keys of a contract refer to"
    )
    on_bad_rows: Literal["fail", "quarantine", "warn"] = "fail"
    max_bad_share: float = Field(0.01, ge=0, le=1, description="above it quarantine fails, too")
