"""The stage `featurize`: one table of features, as known at each event's time."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from mlops_cli._files import replacing
from mlops_cli._json import canonical_json
from mlops_cli.bundle.manifest import ClassLabel
from mlops_cli.bundle.plan import FeaturePlan
from mlops_cli.config.paths import FEATURES_PLAN, FEATURES_TABLE
from mlops_cli.config.project import Project
from mlops_cli.features.base import Layout, Schemas, load_schemas
from mlops_cli.features.distributed import write_features_on
from mlops_cli.features.layout import check_features
from mlops_cli.features.table import write_features
from mlops_cli.progress import QUIET, Progress
from mlops_cli.tables import open_cluster, open_project_engine


@dataclass(frozen=True, slots=True)
class FeaturizeResult:
    """What the table holds; `rows` have a target, `quarantined` were left out as rejected."""

    rows: int
    without_target: int
    quarantined: int
    inputs: tuple[str, ...]
    features: tuple[str, ...]
    target: str
    classes: tuple[ClassLabel, ...] | None
    table: str = FEATURES_TABLE


def featurize(project: Project, *, progress: Progress = QUIET) -> FeaturizeResult:
    """Write `data/features.parquet`, ordered by time, and `data/features.json`, its plan.

    Raises `UsageError` where `mlops.yaml` names what the tables do not have or an expression that
    may not be, `DataError` where no row is left or the target does not fit the task.
    """
    schemas = load_schemas(project)
    layout = check_features(project.config, schemas, project.root)
    progress.update(f"{len(layout.features)} features of {project.config.data.table}")
    plan = _write(project, layout, schemas, project.root / FEATURES_TABLE)
    with replacing(project.root / FEATURES_PLAN) as temporary:
        temporary.write_bytes(canonical_json(plan))
    return FeaturizeResult(
        rows=plan.rows,
        without_target=plan.without_target,
        quarantined=plan.quarantined,
        inputs=tuple(i.name for i in plan.inputs),
        features=tuple(f.name for f in plan.features),
        target=plan.target.name,
        classes=plan.classes,
    )


def _write(project: Project, layout: Layout, schemas: Schemas, table: Path) -> FeaturePlan:
    over_time = project.config.features.over_time
    with open_project_engine(project, over_time=over_time) as engine:
        if not project.config.engine.spark:
            return write_features(engine, project, layout, schemas, table)
        with open_cluster(project.config.engine) as cluster:
            return write_features_on(
                cluster, engine, project, layout, schemas=schemas, destination=table
            )
