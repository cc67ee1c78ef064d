"""The section `package`."""

from __future__ import annotations

from pydantic import Field

from mlops_cli.config.sections.base import Section


class PackageConfig(Section):
    """The image that serves the model."""

    base: str = Field(
        "python:{python}-slim",
        pattern=r"^[\w./:@{}-]+$",
        description="base image; {python} is training's minor version",
    )
