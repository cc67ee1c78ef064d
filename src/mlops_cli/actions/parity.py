"""The command `parity`: the same rows through training's code, `score` and the running service."""

from __future__ import annotations

import math
import os
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq

from mlops_cli.actions.score import score
from mlops_cli.bundle.manifest import Manifest
from mlops_cli.bundle.reader import Bundle, open_bundle
from mlops_cli.config.paths import CONFIG, FEATURES_PLAN
from mlops_cli.config.project import Project
from mlops_cli.cores import cores
from mlops_cli.errors import EnvironmentFault, InconclusiveError, UsageError
from mlops_cli.features.base import Layout, load_schemas
from mlops_cli.features.layout import check_features
from mlops_cli.features.raw_table import raw_table_sql, training_sql
from mlops_cli.governance.candidate import IMPORTED, provenance
from mlops_cli.governance.champion import champion_of
from mlops_cli.progress import QUIET, Progress
from mlops_cli.scoring.parity import Pair, Way, compare
from mlops_cli.scoring.sampled import (
    Sampled,
    Source,
    holdout_rows,
    recorded_rows,
    table_rows,
)
from mlops_cli.serving.models import Matrix
from mlops_cli.serving.predictions import Prediction
from mlops_cli.serving.predictor import open_predictor
from mlops_cli.tables import open_engine
from mlops_cli.tables.base import ROW, Engine, quote
from mlops_cli.tables.events import predictions_in
from mlops_cli.tables.matrix import encode
from mlops_cli.targets import open_target
from mlops_cli.targets.asked import KEY, explanations
from mlops_cli.targets.base import Deployment
from mlops_cli.tracking import open_tracker

ROWS = 200
TRAINING, SCORE, SERVICE = "training", "score", "service"


@dataclass(frozen=True, slots=True)
class ParityResult:
    """Each two ways of `rows` rows, compared; `equal` where all pairs are.

    `url` is that of the service on `target`, None where none runs and two ways are compared.
    `left_out` rows were not compared: JSON cannot say one of their numbers (an infinity), or the
    log kept too little of them. Of an imported model, before `featurize` ran, rows are of the
    `table`.
    """

    target: str
    url: str | None
    digest: str
    version: str
    source: Source
    rows: int
    left_out: int
    features: int
    equal: bool
    pairs: tuple[Pair, ...]


def parity(
    project: Project, *, rows: int = ROWS, target: str | None = None, progress: Progress = QUIET
) -> ParityResult:
    """Compare the features and predictions that training's code, `score` and the service make.

    The service is what runs on `target` (default: the configuration's), and the model its
    bundle, or the champion's where none runs. The rows are the last `rows` that were collected of
    its prediction log, or else of the hold-out. A difference is a result, no error. Raises
    `UsageError` where there is no model, its features are no more those of `mlops.yaml`, or the
    service wants a key, `DataError` where there are no rows, `GateError` for a row that the
    service refuses, `EnvironmentFault` where it runs and does not answer, `InconclusiveError` where
    no row can be sent.
    """
    name = target or project.config.deploy.target
    running = _running(project, name)
    bundle = open_bundle(_folder(project, running))
    project.cache.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="parity-", dir=project.cache) as folder:
        made = _make(project, bundle, Path(folder), rows, progress)
    if running:
        progress.update(f"{len(made.events)} rows through {running.url}")
        made = _with_service(made, bundle, running.url)
    pairs = compare(bundle.manifest, made.ways, made.names)
    return ParityResult(
        target=name,
        url=running.url if running else None,
        digest=bundle.digest,
        version=bundle.version,
        source=made.source,
        rows=len(made.names),
        left_out=made.left_out,
        features=len(bundle.manifest.features),
        equal=all(pair.equal for pair in pairs),
        pairs=pairs,
    )


@dataclass(frozen=True, slots=True)
class _Made:
    """Rows by their names, each as a request would bring it, and the ways that they went."""

    source: Source
    names: Sequence[str]
    events: Sequence[Mapping[str, Any]]
    ways: Sequence[Way]
    left_out: int


def _running(project: Project, target: str) -> Deployment | None:
    found = open_target(target, project).status()
    if found and not found.healthy:
        raise EnvironmentFault(
            f"what is deployed on {target} does not answer at {found.url}",
            hint=f"mlops logs --target {target}",
        )
    return found


def _folder(project: Project, running: Deployment | None) -> Path:
    tracker = open_tracker(project)
    return tracker.fetch(running.digest if running else champion_of(project, tracker).digest)


def _make(project: Project, bundle: Bundle, folder: Path, count: int, progress: Progress) -> _Made:
    """The rows, through training's code and through `score`."""
    schemas, manifest = load_schemas(project), bundle.manifest
    layout = check_features(project.config, schemas, project.root)
    _check_features(layout, bundle)
    predictor = open_predictor(bundle, cores())
    with open_engine(temporary=project.temporary) as engine:
        progress.update("choosing rows")
        sampled = _sampled(engine, project, bundle, layout, count)
        file = folder / "rows.parquet"
        pq.write_table(sampled.table, file)
        progress.update(f"{len(sampled.names)} rows through training's code")
        trained = _matrix(engine, training_sql(engine, project, schemas, layout, file), manifest)
        sql = raw_table_sql(engine, project, schemas, bundle, file)
        made = _matrix(engine, sql, manifest)
        inputs = engine.arrow(_columns(sql, [i.name for i in manifest.inputs]))
    predictions = predictor.answers(predictor.numbers(trained))
    progress.update(f"{len(sampled.names)} rows through score")
    scored = _scored(project, bundle, file)
    ways = [Way(TRAINING, trained, predictions), Way(SCORE, made, scored)]
    events = sampled.events or [*map(_said, inputs.to_pylist())]
    return _Made(sampled.source, sampled.names, events, ways, sampled.left_out)


def _check_features(layout: Layout, bundle: Bundle) -> None:
    known = {feature.name for feature in layout.features}
    if lost := [f.name for f in bundle.manifest.features if f.name not in known]:
        raise UsageError(
            f"{CONFIG} makes no feature `{lost[0]}`, which {bundle.version} was trained with",
            hint="`mlops run` and `mlops deploy`, or bring back the configuration of that version",
        )


def _sampled(
    engine: Engine,
    project: Project,
    bundle: Bundle,
    layout: Layout,
    count: int,
) -> Sampled:
    # What a log has are the model's inputs: mlops.yaml may ask for further columns by now.
    if {i.name for i in layout.inputs} <= {i.name for i in bundle.manifest.inputs}:
        found = recorded_rows(engine, project, bundle, count)
        if found is not None:
            return found
    if IMPORTED in provenance(bundle) and not (project.root / FEATURES_PLAN).exists():
        return table_rows(engine, project, count)  # nobody knows which of them it has seen
    return holdout_rows(engine, project, count)


def _columns(sql: str, names: Sequence[str]) -> str:
    return f"select {', '.join(map(quote, names))} from ({sql}) order by {ROW}"


def _matrix(engine: Engine, sql: str, manifest: Manifest) -> Matrix:
    features = manifest.features
    return encode(engine.arrow(_columns(sql, [f.name for f in features])), features)


def _scored(project: Project, bundle: Bundle, file: Path) -> list[Prediction]:
    """What `mlops score` writes for the rows of a file, as predictions."""
    out = file.with_name("scored.parquet")
    score(project, file, out, bundle=bundle.path)
    return predictions_in(pq.read_table(out), bundle.manifest)


def _with_service(made: _Made, bundle: Bundle, url: str) -> _Made:
    """The rows that JSON can say, through the service, too."""
    asked = [i for i, event in enumerate(made.events) if _can_be_said(event)]
    if not asked:
        raise InconclusiveError("no row can be sent to the service: each holds an infinity")
    names = [made.names[i] for i in asked]
    events = [_asked(made, bundle, made.events[i]) for i in asked]
    key = os.environ.get(KEY, "")
    answers = list(explanations(url, bundle.version, events, names, key))
    order = [feature.name for feature in bundle.manifest.features]
    features = [[answer["features"][name] for name in order] for answer in answers]
    ways = [Way(w.name, w.features[asked], [w.predictions[i] for i in asked]) for w in made.ways]
    served = Way(SERVICE, np.array(features, dtype=np.float32), answers)  # None becomes NaN
    left_out = made.left_out + len(made.names) - len(asked)
    return replace(made, names=names, events=events, ways=[*ways, served], left_out=left_out)


def _asked(made: _Made, bundle: Bundle, event: Mapping[str, Any]) -> Mapping[str, Any]:
    """An event without what the service looks up; one that was recorded has what it found then."""
    if made.source == "recorded":
        return event
    looked_up = {i.name for i in bundle.manifest.inputs if i.source == "online"}
    return {name: value for name, value in event.items() if name not in looked_up}


def _said(row: Mapping[str, Any]) -> dict[str, Any]:
    """A row of a table as a request would bring it."""
    return {n: v.isoformat() if isinstance(v, date) else v for n, v in row.items()}


def _can_be_said(event: Mapping[str, Any]) -> bool:
    return not any(isinstance(v, float) and math.isinf(v) for v in event.values())
