"""A feature in `features/registry.yaml`: whose it is, which version, who approves it."""

from __future__ import annotations

from pydantic import Field

from mlops_cli.config.sections.base import Section


class RegisteredFeature(Section):
    """A feature that is looked after: another meaning is another version."""

    version: int = Field(1, ge=1, description="raised when the feature means something else")
    owner: str | None = Field(None, min_length=1, description="who answers for it")
    description: str | None = Field(None, min_length=1)
    approver: str | None = Field(
        None,
        min_length=1,
        description="who must approve each version: an address, github:LOGIN, or a role",
    )
