"""The command `score`: predictions for a file of raw rows, beside their own columns."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from mlops_cli.bundle.reader import Bundle, open_bundle
from mlops_cli.config.project import Project
from mlops_cli.errors import UsageError
from mlops_cli.features.base import load_schemas
from mlops_cli.features.raw_table import check_values, raw_table_sql
from mlops_cli.governance.withdrawal import standing_champion
from mlops_cli.progress import QUIET, Progress
from mlops_cli.scoring.census import Census, ColumnCensus, describe
from mlops_cli.scoring.distributed import predicted_on
from mlops_cli.scoring.joined import explained
from mlops_cli.scoring.predictions import Chunks, Scoring, check_destination, predict_file
from mlops_cli.tables import open_cluster, open_project_engine
from mlops_cli.tables.base import Engine
from mlops_cli.tables.part import parts_folder
from mlops_cli.tracking import open_tracker


@dataclass(frozen=True, slots=True)
class ScoreResult:
    """What was written, or with `dry_run` would be, and by which model.

    `columns` counts values that are missing or that training never saw, the unusual columns
    first; `names` are the prediction's columns with the names that they get in `output`.
    `explained` is what contributions add up to, null where none were asked for, and `error` the
    largest standard error of those that had to be estimated.
    """

    rows: int
    output: str
    version: str
    digest: str
    columns: tuple[ColumnCensus, ...]
    names: Mapping[str, str]
    written: bool
    explained: str | None = None
    error: float | None = None

    @property
    def remarks(self) -> list[str]:
        """What a user should know of it, in sentences."""
        renamed = [
            f"the table has a column {name}: the prediction's is {given}"
            for name, given in self.names.items()
            if given != name
        ]
        if self.explained == "value":
            renamed.append("contributions add up to what is answered, in rows that say so")
        if self.error is not None:
            renamed.append(f"contributions are estimated, each within some {2 * self.error:.2g}")
        return renamed + [
            ("warning: " if c.unusual else "") + describe(c, self.rows)
            for c in self.columns
            if c.example is not None or c.unusual  # some numbers are always outside the range
        ]


def score(
    project: Project,
    source: Path,
    destination: Path,
    *,
    bundle: Path | None = None,
    strict: bool = False,
    dry_run: bool = False,
    force: bool = False,
    explain: bool = False,
    progress: Progress = QUIET,
) -> ScoreResult:
    """Write `source`'s columns and each row's prediction to `destination`, row order kept.

    By the model in the folder `bundle`, else the champion. Both files are CSV or Parquet by their
    endings; joined columns that `source` lacks are made from the project's tables. Raises
    `DataError`, and writes nothing, for a value that the server would refuse, naming column, row
    and value, and with `strict` for a column of which surely more is missing, or was never seen,
    than in training; `UsageError` where there is no model, and for a `destination` that holds
    anything but an earlier scoring of such a table, which only `force` replaces. With `dry_run`
    all of that happens, and nothing is written. With `explain` there are columns
    `contribution_FEATURE` and `contribution_base`, too, which add up to the column `margin`.
    """
    check_destination(destination)
    if destination.resolve() == source.resolve():
        raise UsageError(f"{destination} is the input itself", hint="name another file")
    if source.exists():  # while its rows come, a table of its absolute path is whole
        source = Path(os.path.relpath(source))
    model = open_bundle(bundle or _champion(project))
    schemas = load_schemas(project)
    with open_project_engine(project, over_time=project.config.features.over_time) as engine:
        census = Census(model.manifest, model.profile(), strict=strict)
        job = Scoring(
            source,
            destination,
            lambda: raw_table_sql(engine, project, schemas, model, source),
            census,
            dry_run=dry_run,
            force=force,
            explain=explain,
        )
        with _chunks(engine, project, model, job, progress) as chunks:
            names, explaining = predict_file(engine, model, job, progress, chunks=chunks)
        columns = explained(engine, project, schemas, census.columns())
    output = str(destination)
    written = not dry_run
    told = (explaining.space, explaining.error) if explaining else (None, None)
    return ScoreResult(
        census.rows, output, model.version, model.digest, columns, names, written, *told
    )


@contextmanager
def _chunks(
    engine: Engine, project: Project, model: Bundle, job: Scoring, progress: Progress
) -> Iterator[Chunks | None]:
    """What a cluster predicted, where `mlops.yaml` names one; explanations are made here."""
    if project.config.engine.spark and not job.explain:
        with open_cluster(project.config.engine) as cluster, parts_folder(project) as folder:
            progress.update(f"scoring {job.source.name} on {project.config.engine.spark}")
            yield predicted_on(cluster, engine, project, model, scoring=job, folder=folder)
        return
    progress.update(f"checking {job.source.name}")
    check_values(engine, job.source, model.manifest.inputs)
    yield None


def _champion(project: Project) -> Path:
    tracker = open_tracker(project)
    hint = "make one with `mlops run`, or name a bundle: mlops score --bundle model ..."
    return tracker.fetch(standing_champion(project, tracker, hint=hint).digest)
