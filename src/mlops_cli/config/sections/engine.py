"""The section `engine`: where tables are worked on."""

from __future__ import annotations

from typing import Annotated

from pydantic import AfterValidator, Field

from mlops_cli.config.sections.base import Section
from mlops_cli.config.sections.quantity import Memory, amount

_LEAST = "512Mi"

SparkUrl = Annotated[
    str,
    Field(
        pattern=r"^(local(\[[^\]]+\])?|local-cluster\[\d+, *\d+, *\d+\]|yarn"
        r"|(spark|k8s|sc)://[^\s]+)$"
    ),
]


def _enough(quantity: str) -> str:
    if amount(quantity) < amount(_LEAST):
        raise ValueError(f"{quantity} is not enough to work with: write {_LEAST} or more")
    return quantity


class EngineConfig(Section):
    """DuckDB in this process, unless a cluster is named; the results are the same."""

    spark: SparkUrl | None = Field(
        None,
        description="a Spark master (`spark://HOST:7077`, `local-cluster[2,1,2048]`, `yarn`, ...) "
        "or Spark Connect (`sc://HOST:15002`), on which validate, featurize, score and drift run",
    )
    memory: Annotated[Memory, AfterValidator(_enough)] | None = Field(
        None,
        description="how much memory validate, featurize, score and drift take at the most "
        "(`4Gi`); what is more goes to files below `.mlops/tmp`. Default: half of what the "
        "machine, or the container, has for joins in time and aggregates, and some 1.2 GB for "
        "all else",
    )
    rows: int = Field(1_000_000, ge=1, description="how many rows a task takes at the most")
    settings: dict[str, str] = Field(
        default_factory=dict, description="of Spark, such as `spark.executor.memory: 4g`"
    )
