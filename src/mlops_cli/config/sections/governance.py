"""The section `governance`: who may approve, who signs, and where models may run."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from mlops_cli.config.sections.base import ProjectPath, Section

Region = Annotated[str, Field(pattern=r"^[A-Za-z0-9][\w.-]*$")]
RoleName = Annotated[str, Field(pattern=r"^[a-z][\w-]*$")]
Person = Annotated[str, Field(pattern=r"^(github:[\w-]+|[^\s@<>]+@[^\s@<>]+)$")]


class GovernanceConfig(Section):
    """Rules that hold for decisions about models."""

    roles: dict[RoleName, tuple[Person, ...]] = Field(
        default_factory=dict,
        description="who may fill each role: addresses of git's identity, or github:LOGIN",
    )
    signers: ProjectPath | None = Field(
        None,
        description="file of keys that may sign, in OpenSSH's format of allowed signers, such as "
        "governance/allowed_signers; null: names are a convention",
    )
    residency: Region | tuple[Region, ...] | None = Field(
        None,
        description="the region, or several, where models may run: eu takes eu, and eu-west-1; "
        "deploy.regions says where a target is",
    )
