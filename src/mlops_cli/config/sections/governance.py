"""The section `governance`: who signs."""

from __future__ import annotations

from pydantic import Field

from mlops_cli.config.sections.base import ProjectPath, Section


class GovernanceConfig(Section):
    """Rules that hold for decisions about models."""

    signers: ProjectPath | None = Field(
        None,
        description="file of keys that may sign, in OpenSSH's format of allowed signers, such as "
        "governance/allowed_signers; null: names are a convention",
    )
