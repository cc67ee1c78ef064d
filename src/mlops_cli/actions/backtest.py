"""A policy of retraining replayed: the windows' own rows and labels, and the models of then."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime

import msgspec
import numpy as np

from mlops_cli.bundling.fit import estimator_of, fitted_of
from mlops_cli.config.project import Project
from mlops_cli.errors import DataError, MlopsError
from mlops_cli.evaluation.metrics import metric_of
from mlops_cli.governance.watched import watched_models
from mlops_cli.monitoring.collected.rows import Asked, Reader
from mlops_cli.monitoring.collected.traffic import Traffic
from mlops_cli.monitoring.retraining.backtest import (
    Array,
    Fit,
    Labelled,
    Matrix,
    Predict,
    Replay,
    Strategy,
    usual_times,
)
from mlops_cli.monitoring.windows.grid import Stretch
from mlops_cli.monitoring.windows.records import Window
from mlops_cli.progress import Progress
from mlops_cli.tables import open_engine
from mlops_cli.tables.matrix import encode
from mlops_cli.training.base import Part, Problem
from mlops_cli.training.data import Events, problem_of, read_events
from mlops_cli.training.selection.base import narrowed
from mlops_cli.tuning.base import BEST, Best

ROWS = 20_000  # of a window, at the most


def backtest(
    project: Project,
    windows: Sequence[Window],
    fired: Sequence[datetime],
    *,
    progress: Progress,
) -> tuple[Strategy, ...]:
    """What training when the policy fired would have come to, beside never, always and monthly.

    Models are fitted as training does, with the parameters that were found, on training's rows and
    those of the log whose labels had come. Nothing is written. Empty where training's data or
    labels are not here, which is told.
    """
    try:
        events = read_events(project.root, project.config)
        best = msgspec.json.decode((project.root / BEST).read_bytes(), type=Best)
    except (MlopsError, OSError, msgspec.DecodeError) as e:
        why = e.message if isinstance(e, MlopsError) else str(e)
        progress.log(f"no model was fitted: {why}; `dvc pull` or `mlops run` brings what lacks")
        return ()
    every = np.arange(len(events.target))
    problem = problem_of(project.config, events, events.features(every))
    if best.selection is not None:
        problem = narrowed(problem, best.selection.features)
    labelled = [*_labelled(project, windows, problem, progress)]
    if not labelled:
        progress.log("no model was fitted: no window has labels")
        return ()
    replay = Replay(
        labelled,
        _base(events, problem),
        _fit(project, problem, best),
        metric_of(project.config.task, project.config.metric),
        labels_after=project.config.monitor.labels_after,
    )
    found = []
    for name, times in {"policy": list(fired), **usual_times(labelled)}.items():
        progress.update(f"fitting what `{name}` would have: {len(times)} models")
        found.append(replay.of(name, times))
    return tuple(found)


def _base(events: Events, problem: Problem) -> tuple[Matrix, Array]:
    part = events.part(problem.features, np.arange(len(events.target)))
    return part.matrix, part.target


def _fit(project: Project, problem: Problem, best: Best) -> Fit:
    estimator = estimator_of(project.config.train.estimator, problem, best)

    def fit(matrix: Matrix, target: Array) -> Predict:
        return fitted_of(estimator, Part(matrix, target), best).predict

    return fit


def _labelled(
    project: Project, windows: Sequence[Window], problem: Problem, progress: Progress
) -> Iterator[Labelled]:
    """The windows' rows that have a label; those of broken data are left out."""
    whole = [w for w in windows if w.labels and w.labels.labelled and not w.broken]
    models = watched_models(project, (w.version for w in whole), progress=progress)
    with open_engine(temporary=project.temporary) as engine:
        traffic = Traffic(engine, project.root)
        for window in whole:
            model = models.get(window.version)
            rows = traffic.predictions(Stretch(window.start, window.end))
            if model is None or rows is None:
                continue
            reader = Reader(engine, traffic, Asked(model.manifest, model.features), cap=ROWS)
            read = reader.read(rows, window.version, window.rows)
            said = read.said if read.said.ndim == 1 else read.said.sum(axis=1)
            read = read.where(np.isfinite(read.truth) & np.isfinite(said))
            try:
                matrix = encode(read.table, problem.features)
            except DataError as e:  # a version with other features
                progress.log(f"the window of {window.start:%Y-%m-%d} is left out: {e.message}")
                continue
            yield Labelled(window.start, window.end, matrix, read.truth, read.said)
