"""The command `score`: predictions for a file of raw rows, beside their own columns."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from mlops_cli.bundle.reader import open_bundle
from mlops_cli.config.project import Project
from mlops_cli.errors import UsageError
from mlops_cli.features.base import load_schemas
from mlops_cli.features.raw_table import check_values, raw_table_sql
from mlops_cli.governance.champion import lost_champion
from mlops_cli.progress import QUIET, Progress
from mlops_cli.scoring.predictions import check_destination, predict_file
from mlops_cli.tables import open_engine
from mlops_cli.tracking import open_tracker


@dataclass(frozen=True, slots=True)
class ScoreResult:
    """What was written, and by which model."""

    rows: int
    output: str
    version: str
    digest: str


def score(
    project: Project,
    source: Path,
    destination: Path,
    *,
    bundle: Path | None = None,
    progress: Progress = QUIET,
) -> ScoreResult:
    """Write `source`'s columns and each row's prediction to `destination`, row order kept.

    By the model in the folder `bundle`, else the champion. Both files are CSV or Parquet by their
    endings; joined columns that `source` lacks are made from the project's tables. Raises
    `DataError`, and writes nothing, for a value that the server would refuse, naming column, row
    and value; `UsageError` where there is no model, or a name is taken.
    """
    check_destination(destination)
    if destination.resolve() == source.resolve():
        raise UsageError(f"{destination} is the input itself", hint="name another file")
    model = open_bundle(bundle or _champion(project))
    schemas = load_schemas(project)
    with open_engine(temporary=project.temporary) as engine:
        progress.update(f"checking {source.name}")
        check_values(engine, source, model.manifest.inputs)
        rows = predict_file(
            engine,
            model,
            (source, destination),
            lambda: raw_table_sql(engine, project, schemas, model, source),
            progress,
        )
    return ScoreResult(rows, str(destination), model.version, model.digest)


def _champion(project: Project) -> Path:
    tracker = open_tracker(project)
    champion = tracker.champion()
    if champion is None:
        raise lost_champion(project.root, tracker.address) or UsageError(
            f"{tracker.address} has no champion of {project.config.project}",
            hint="make one with `mlops run`, or name a bundle: mlops score --bundle model ...",
        )
    return tracker.fetch(champion.digest)
