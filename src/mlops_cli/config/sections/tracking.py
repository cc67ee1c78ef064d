"""The section `tracking`."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from mlops_cli.config.sections.base import Section

Lineage = Annotated[str, Field(pattern=r"^(files|https?://[^\s/?#@]+([/?].*)?)$")]


class TrackingConfig(Section):
    """Where runs and versions are kept; the environment's MLFLOW_TRACKING_URI wins."""

    uri: str | None = Field(None, description="default: sqlite in the project, mlflow.db")
    experiment: str | None = Field(None, description="default: the project's name")
    lineage: Lineage | None = Field(
        None,
        description="OpenLineage events of each stage: files (in .mlops/lineage/), or the URL that "
        "takes them; null: none",
    )
