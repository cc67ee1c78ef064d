"""Fit the model with the best parameters, judge it on the hold-out, write the bundle."""

from __future__ import annotations

import shutil
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path

import msgspec
import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from mlops_cli._files import replacing_folder, write_text
from mlops_cli._json import canonical_json, pretty_json
from mlops_cli.bundle.manifest import (
    FEATURES,
    GOLDEN,
    MODEL_FILES,
    PROFILE,
    REQUIREMENTS,
    Input,
    short,
)
from mlops_cli.bundle.plan import ID, FeaturePlan
from mlops_cli.bundle.profile import Profile
from mlops_cli.bundle.reader import open_bundle
from mlops_cli.bundle.writer import Model, write_bundle
from mlops_cli.config.model import Config
from mlops_cli.config.paths import FEATURES_PLAN, FEATURES_TABLE, METRICS_FILE, MODEL, PLOTS
from mlops_cli.config.project import Project
from mlops_cli.errors import BundleError, DataError
from mlops_cli.evaluation.evaluate import Evaluation, evaluate
from mlops_cli.expressions.tree import FeatureTree, FeatureTrees
from mlops_cli.features.rules import broken_by
from mlops_cli.features.sql import render_feature
from mlops_cli.monitoring.counts.subjects import codes_of
from mlops_cli.monitoring.drift.outcomes import Outcomes, outcome_profiles
from mlops_cli.monitoring.drift.profile import Units, profile_of, weighted
from mlops_cli.monitoring.performance.estimate import scores_of
from mlops_cli.monitoring.performance.losses import losses_of
from mlops_cli.packaging.requirements import serving_requirements
from mlops_cli.progress import QUIET, Progress
from mlops_cli.serving.golden import replay
from mlops_cli.serving.predictions import class_indices, render
from mlops_cli.serving.predictor import open_predictor
from mlops_cli.stages import stage
from mlops_cli.tables import open_engine
from mlops_cli.tables.base import ROW, Engine, in_groups, literal, quote
from mlops_cli.tables.matrix import encode
from mlops_cli.tables.split import Rows
from mlops_cli.tracking import open_tracker
from mlops_cli.tracking.base import RunRecord
from mlops_cli.training import golden, open_estimator
from mlops_cli.training.base import Estimator, Fitted, Problem
from mlops_cli.training.before import Before, before_of
from mlops_cli.training.data import (
    Events,
    problem_of,
    read_events,
)
from mlops_cli.training.drawings import drawings
from mlops_cli.training.fitted_rows import fitted_rows
from mlops_cli.training.plots import importance_plot, plots
from mlops_cli.training.provenance import Origin, datasets, origin, provenance
from mlops_cli.tuning.base import BEST, Best

_ONE_LABEL = (
    "every row of the hold-out gets the same label: go by the probabilities, or have the model "
    "judged by how right they are (train.metric: log_loss)"
)
RUN_PLOTS = "plots"  # where the run in MLflow has its pictures
CANDIDATE = "candidate"  # under .mlops/: the bundle until it has proved itself
_GROUP = 200  # features of one query


@dataclass(frozen=True, slots=True)
class TrainResult:
    """The bundle and what it is worth.

    `holdout` and `validation` are metrics by name; `method` names how the main metric's 95 %
    interval was made. `golden` rows were reproduced by the reloaded bundle.
    """

    digest: str
    version: str
    metric: str
    holdout: Mapping[str, float]
    validation: Mapping[str, float]
    method: str
    rows: int
    golden: int
    bundle: str
    metrics: str
    run_id: str | None


def train(project: Project, *, progress: Progress = QUIET) -> TrainResult:
    """Write `model/`, `metrics.json` and `reports/plots/`; log the run.

    The model is fitted on training and validation part together. Raises `BundleError`, and writes
    no bundle, where the reloaded bundle does not reproduce training's predictions.
    """
    started = time.monotonic()
    open_tracker(project).prepare()  # before the fit
    progress.update("reading the features")
    work = _read(project)
    progress.update(f"fitting on {len(work.events.split.fitted)} rows")
    with ThreadPoolExecutor(1) as beside:  # a fit leaves half of two cores idle
        profiled = beside.submit(_profile, project, work)
        fitted = _fit(work)
        progress.update("judging on the hold-out")
        evaluation, predictions = _evaluate(work, fitted)
        profile = _with_outcomes(project, work, predictions, profiled.result())
    if known := _known_subjects(project, work.events):
        progress.log(known)
    if work.problem.task != "regression" and _all_alike(predictions):
        progress.log(_ONE_LABEL)
    progress.update("proving that the bundle predicts what training does")
    model, files = _bundle(project, work, fitted, profile)
    reproduced = _prove(project, model, files)
    source = _origin(project)
    tables = _plots(project, work, fitted, predictions)
    seconds = time.monotonic() - started
    run_id = _log(project, _run(project.config, work, evaluation, source), tables, seconds)
    rows = fitted_rows(work.events, project.config)
    made = provenance(source, run_id, rows)
    digest = write_bundle(project.root / MODEL, model, files, made)
    metrics = {
        "validation": work.best.validation,
        "holdout": evaluation.flat(project.config.metric),
    }
    _write_plots(project, tables)
    write_text(project.root / METRICS_FILE, pretty_json(metrics))
    return TrainResult(
        digest=digest,
        version=short(digest),
        metric=project.config.metric,
        holdout=metrics["holdout"],
        validation=metrics["validation"],
        method=evaluation.interval.method,
        rows=len(work.events.split.fitted),
        golden=reproduced,
        bundle=MODEL,
        metrics=METRICS_FILE,
        run_id=run_id,
    )


@dataclass(frozen=True, slots=True)
class _Work:
    events: Events
    best: Best
    problem: Problem
    estimator: Estimator
    before: Before | None = None


def _read(project: Project) -> _Work:
    file = project.root / BEST
    try:
        best = msgspec.json.decode(file.read_bytes(), type=Best)
    except (OSError, msgspec.DecodeError) as e:
        raise DataError(f"{BEST}: {str(e)[:300]}", hint="mlops tune") from e
    events = read_events(project.root, project.config)
    before = before_of(project, events)
    features = before.features if before else events.features(events.split.fitted)
    problem = problem_of(project.config, events, features)
    return _Work(
        events=events,
        best=best,
        problem=problem,
        estimator=open_estimator(project.config.train.estimator, problem),
        before=before,
    )


def _known_subjects(project: Project, events: Events) -> str | None:
    """What metrics do not tell where the hold-out is about whom the model was fitted on.

    Of a split by time that is the question: the next rows of known ones are predicted, too.
    """
    names = project.config.data.id.subject
    if not names or project.config.split_by == "time":
        return None
    known, held = events.known_subjects(names)
    if not known:
        return None
    return (
        f"{known} of {held} values of {', '.join(names)} in the hold-out are in the fitted rows, "
        "too: metrics tell how well these are known, not how well new ones are predicted"
    )


def _all_alike(predictions: NDArray[np.float64]) -> bool:
    """Whether all rows get one label by their probabilities, shape (n,) or (n, classes)."""
    labels = class_indices(predictions)
    return bool((labels == labels[0]).all())


def _fit(work: _Work) -> Fitted:
    features, split = work.problem.features, work.events.split
    if work.before is not None:
        parts = (work.events.part(features, rows) for rows in (split.train, split.validation))
        train, validation = parts
        return work.before.go_on(work.estimator, (train, validation), work.best.params)
    return work.estimator.fit(
        work.events.part(features, split.fitted), work.best.params, work.best.rounds
    )


def _evaluate(work: _Work, fitted: Fitted) -> tuple[Evaluation, NDArray[np.float64]]:
    part = work.events.part(work.problem.features, work.events.split.holdout)
    predictions = fitted.predict(part.matrix)
    return evaluate(work.problem.question, part.target, predictions), predictions


def _profile(project: Project, work: _Work) -> Profile:
    return profile_of(
        work.events.rows(work.events.split.fitted),
        inputs=work.events.plan.inputs,
        features=work.problem.features,
        units=_units(project, work.events, work.events.split.fitted),
        sensitive=work.events.sensitive,
    )


def _with_outcomes(
    project: Project, work: _Work, predictions: NDArray[np.float64], profile: Profile
) -> Profile:
    """The profile with what was predicted of the hold-out, and what came of it."""
    events, holdout = work.events, work.events.split.holdout
    subject = project.config.data.id.subject
    outcomes = Outcomes(
        said=predictions,
        truth=events.target[holdout],
        subjects=events.rows(holdout, [ROW, *(ID + name for name in subject)]),
        units=_units(project, events, holdout),
        sensitive=bool(project.config.data.sensitive),
    )
    made = outcome_profiles(outcomes, work.events.plan.classes)
    groups = codes_of(outcomes.subjects, [ID + name for name in subject]) if subject else None
    if work.problem.task != "regression":
        scores = scores_of(work.problem.task, outcomes.truth, predictions, groups)
        return msgspec.structs.replace(profile, outcomes=made, scores=scores)
    features = events.part(work.problem.features, holdout).matrix.astype(np.float64)
    losses = losses_of(features, outcomes.truth, predictions, groups)
    return msgspec.structs.replace(profile, outcomes=made, losses=losses)


def _bundle(
    project: Project, work: _Work, fitted: Fitted, profile: Profile
) -> tuple[Model, dict[str, bytes]]:
    plan, features = work.events.plan, work.problem.features
    frozen = {f.name: f.categories for f in features}
    inputs = tuple(_with_categories(i, frozen) for i in plan.inputs)
    kind = work.estimator.kind
    model = Model(
        project=project.config.project,
        task=project.config.task,
        target=plan.target,
        classes=plan.classes,
        kind=kind,
        inputs=inputs,
        features=features,
        modules=work.estimator.modules(),
        id=project.config.data.id.columns,
        sensitive=project.config.data.sensitive,
    )
    rows = work.events.rows(work.events.split.fitted)
    requirements, importance = serving_requirements(kind), fitted.importance()
    files = {
        MODEL_FILES[kind]: fitted.content(),
        FEATURES: canonical_json(FeatureTrees(features=plan.trees)),
        PROFILE: weighted(profile, features, importance=importance, trees=plan.trees),
        REQUIREMENTS: requirements.encode(),
        GOLDEN: _golden(project, model, rows, plan, fitted),
    }
    return model, files


def _units(project: Project, events: Events, rows: Rows) -> Units:
    moments = None if events.moments is None else events.moments[rows]
    return Units(project.config.data.id.subject, moments)


def _with_categories(i: Input, frozen: Mapping[str, tuple[str, ...] | None]) -> Input:
    return msgspec.structs.replace(i, categories=frozen.get(i.name)) if i.type == "text" else i


def _golden(
    project: Project, model: Model, rows: pa.Table, plan: FeaturePlan, fitted: Fitted
) -> bytes:
    """Golden rows, their features by the data engine, their predictions by training's library."""
    with (
        replacing_folder(project.cache / "golden") as folder,
        open_engine(temporary=folder) as engine,
    ):
        broken = broken_by(engine, plan.rules, folder)
        ties = golden.Ties(plan.trees, plan.rules, broken, model.sensitive)
        raw = golden.golden_inputs(rows, model.inputs, model.features, ties)
        file = folder / "inputs.parquet"
        golden.write(raw, file)
        made = _features(engine, file, plan.trees)
    matrix = encode(made, model.features)
    said = render(model, fitted.predict(matrix))
    return golden.golden_lines(raw, matrix, said)


def _features(engine: Engine, file: Path, trees: Sequence[FeatureTree]) -> pa.Table:
    """The features of the rows in a Parquet file of inputs, by the engine."""
    columns: dict[str, pa.ChunkedArray] = {}
    for group in in_groups(trees, _GROUP):
        cells = ", ".join(f"{render_feature(t.tree)} as {quote(t.name)}" for t in group)
        source = f"read_parquet({literal(str(file))}, file_row_number = true)"
        made = engine.arrow(f"select {cells} from {source} order by file_row_number")
        columns |= zip(made.column_names, made.columns, strict=True)
    return pa.table(columns)


def _prove(project: Project, model: Model, files: Mapping[str, bytes]) -> int:
    folder = project.cache / CANDIDATE
    try:
        write_bundle(folder, model, files, {})
        bundle = open_bundle(folder)
        return replay(bundle, open_predictor(bundle))
    except BundleError as e:
        raise BundleError(f"no bundle is written: {e.message}", hint=e.hint) from e
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _origin(project: Project) -> Origin:
    me = stage("train")
    return origin(project.root, project.config, me.params, (FEATURES_TABLE, FEATURES_PLAN))


def _run(config: Config, work: _Work, evaluation: Evaluation, source: Origin) -> RunRecord:
    validation = {f"validation_{k}": v for k, v in work.best.validation.items()}
    split, features = work.events.split, work.problem.features
    return RunRecord(
        name="train",
        params={
            **config.train.params,
            **work.best.params,
            "estimator": config.train.estimator,
            "rounds": work.best.rounds,
            "seed": config.train.seed,
            "rows": len(split.fitted),
        },
        metrics=evaluation.flat(config.metric) | validation,
        tags={"stage": "train", "interval": evaluation.interval.method} | source.tags(),
        datasets=datasets(
            config,
            features,
            source.data,
            {"training": len(split.fitted), "holdout": len(split.holdout)},
        ),
    )


def _log(project: Project, run: RunRecord, tables: Mapping[str, str], seconds: float) -> str:
    pictures = drawings(project.config.task, tables)
    files = {f"{RUN_PLOTS}/{name}": picture for name, picture in pictures.items()}
    return open_tracker(project).log_run(replace(run, seconds=seconds, files=files))


def _plots(
    project: Project, work: _Work, fitted: Fitted, predictions: NDArray[np.float64]
) -> dict[str, str]:
    target = work.events.target[work.events.split.holdout]
    tables = plots(project.config.task, work.events.plan.classes, target, predictions)
    return tables | importance_plot(fitted.importance())


def _write_plots(project: Project, tables: Mapping[str, str]) -> None:
    with replacing_folder(project.root / PLOTS) as folder:
        for name, text in tables.items():
            (folder / name).write_text(text, encoding="utf-8", newline="\n")
