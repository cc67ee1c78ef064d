"""The command `labels`: what came of predictions, in bulk."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from mlops_cli._files import scratch_beside
from mlops_cli._locks import locked
from mlops_cli.bundle.manifest import Manifest
from mlops_cli.bundle.reader import open_bundle
from mlops_cli.config.paths import MODEL
from mlops_cli.config.project import Project
from mlops_cli.contracts.model import load_contract
from mlops_cli.errors import EnvironmentFault, UsageError
from mlops_cli.expressions.tree import ValueType
from mlops_cli.governance.champion import champion_of
from mlops_cli.monitoring.collected.label_files import read_label_file
from mlops_cli.monitoring.collected.labelled import count_matches
from mlops_cli.monitoring.collected.recorded import (
    COLLECTING,
    recorded_labels,
    recorded_predictions,
)
from mlops_cli.progress import QUIET, Progress
from mlops_cli.tables import open_engine
from mlops_cli.tables.base import ColumnForm
from mlops_cli.tracking import open_tracker

_WAIT = 60.0  # seconds for a collect to end
_MEMORY = "256MB"  # of the engine: what joins millions of labels with predictions spills


@dataclass(frozen=True, slots=True)
class LabelsResult:
    """What came: `labels` of the file, of which `added` were not there before; the collected
    `predictions` that they go to, and how many are `waiting` for theirs."""

    labels: int
    added: int
    predictions: int
    waiting: int


def labels(
    project: Project,
    action: Literal["add"],
    file: Path,
    *,
    progress: Progress = QUIET,
) -> LabelsResult:
    """Add the labels of a CSV or Parquet file to those that were collected.

    Its columns are `label` and `request_id` (or those of `data.id`), and where there are some
    `row` and `time`. All labels are kept, and of several for a row the last by time counts; a file
    of the same content counts once. Raises `DataError` naming the first row that holds no label,
    with nothing written.
    """
    if action != "add":
        raise UsageError(f"labels are added: {action!r} is none of add")
    progress.update(f"reading {file}")
    taken = EnvironmentFault("a collect of this project is going on", hint="wait for it")
    with (
        open_engine(temporary=project.temporary, memory=_MEMORY) as engine,
        locked(project.cache / COLLECTING, otherwise=taken, seconds=_WAIT),
        scratch_beside(project.cache / "labels.parquet") as read,
    ):
        model, form = _model(project), _form(project)
        found = read_label_file(engine, file, _ids(project), model, into=read, form=form)
        progress.update(f"adding {found.rows} labels")
        added = found.add_to(recorded_labels(project.root), engine)
        progress.update("holding them to the predictions")
        matches = count_matches(engine, recorded_predictions(project.root), found, keys=found.keys)
    return LabelsResult(found.rows, added, matches.predictions, matches.waiting)


def _ids(project: Project) -> tuple[str, ...]:
    """The columns of `data.id` that the log holds as they are."""
    log, ids = project.config.serve.log, project.config.data.id.columns
    changed = {*log.hash, *log.leave_out} if log is not None else set()
    asked = () if log is None or log.columns == "all" else log.columns
    changed |= {name for name in project.config.data.sensitive if name not in asked}
    return () if changed & set(ids) else ids


def _form(project: Project) -> ValueType | ColumnForm:
    """Numbers as the table has its target's, where those are written in a way of their own."""
    data = project.config.data
    if (project.root / project.config.contract).is_file():
        target = load_contract(project.root / project.config.contract).columns.get(data.target)
        if target is not None and target.type in ("integer", "float") and target.format:
            return target.form
    return "text"


def _model(project: Project) -> Manifest:
    """What the labels are of: the model of the work tree, or where there is none the champion."""
    folder = project.root / MODEL
    if not folder.is_dir():
        tracker = open_tracker(project)
        folder = tracker.fetch(champion_of(project, tracker).digest)
    return open_bundle(folder).manifest
