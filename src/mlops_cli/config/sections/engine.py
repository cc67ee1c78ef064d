"""The section `engine`: where tables are worked on."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from mlops_cli.config.sections.base import Section

SparkUrl = Annotated[
    str,
    Field(
        pattern=r"^(local(\[[^\]]+\])?|local-cluster\[\d+, *\d+, *\d+\]|yarn"
        r"|(spark|k8s|sc)://[^\s]+)$"
    ),
]


class EngineConfig(Section):
    """DuckDB in this process, unless a cluster is named; the results are the same."""

    spark: SparkUrl | None = Field(
        None,
        description="a Spark master (`spark://HOST:7077`, `local-cluster[2,1,2048]`, `yarn`, ...) "
        "or Spark Connect (`sc://HOST:15002`), on which validate, featurize, score and drift run",
    )
    rows: int = Field(1_000_000, ge=1, description="how many rows a task takes at the most")
    settings: dict[str, str] = Field(
        default_factory=dict, description="of Spark, such as `spark.executor.memory: 4g`"
    )
