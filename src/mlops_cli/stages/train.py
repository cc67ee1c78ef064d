"""Fit the model with the best parameters, judge it on the hold-out, write the bundle."""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import msgspec
import numpy as np
from numpy.typing import NDArray

from mlops_cli._files import replacing_folder, write_text
from mlops_cli._json import pretty_json
from mlops_cli.bundle.manifest import JUDGED, THRESHOLD, short
from mlops_cli.bundle.writer import Model, write_bundle
from mlops_cli.bundling.bundle import bundle_files, prove
from mlops_cli.bundling.decisions import decide
from mlops_cli.bundling.fit import estimator_of, fitted_of
from mlops_cli.bundling.profile import profile, with_outcomes
from mlops_cli.bundling.refit import refitted
from mlops_cli.bundling.work import Work
from mlops_cli.config.model import Config
from mlops_cli.config.paths import (
    EVALUATION,
    EVALUATION_PAGE,
    FEATURES_PLAN,
    FEATURES_TABLE,
    METRICS_FILE,
    MODEL,
    PLOTS,
)
from mlops_cli.config.project import Project
from mlops_cli.errors import DataError
from mlops_cli.evaluation.coverage import coverage_of
from mlops_cli.evaluation.evaluate import Evaluation, evaluate
from mlops_cli.evaluation.judged import Judged
from mlops_cli.evaluation.report import Report
from mlops_cli.progress import QUIET, Progress
from mlops_cli.reports.evaluation.declared import declared_slices
from mlops_cli.reports.evaluation.made import HoldOut, report_of
from mlops_cli.reports.evaluation.page import evaluation_page
from mlops_cli.serving.predictions import class_indices
from mlops_cli.stages import stage
from mlops_cli.tracking import open_tracker
from mlops_cli.tracking.base import RunRecord
from mlops_cli.training.answering import Answering, Decided
from mlops_cli.training.base import Fitted, Problem
from mlops_cli.training.before import before_of
from mlops_cli.training.data import (
    Events,
    problem_of,
    read_events,
)
from mlops_cli.training.drawings import drawings
from mlops_cli.training.fitted_rows import fitted_rows
from mlops_cli.training.plots import importance_plot, plots
from mlops_cli.training.provenance import Origin, datasets, origin, provenance
from mlops_cli.training.selection.base import narrowed
from mlops_cli.tuning.base import BEST, Best

_ONE_LABEL = (
    "every row of the hold-out gets the same label: go by the probabilities, or have the model "
    "judged by how right they are (train.metric: log_loss)"
)
_JUDGED = "metrics are those of {}, which had not seen the hold-out; {} was fitted on it, too"
RUN_PLOTS = "plots"  # where the run in MLflow has its pictures


@dataclass(frozen=True, slots=True)
class TrainResult:
    """The bundle and what it is worth.

    `holdout` and `validation` are metrics by name; `method` names how the main metric's 95 %
    interval was made. `golden` rows were reproduced by the reloaded bundle.
    With `train.refit` the metrics are those of the version `judged`, which had not seen the
    hold-out; the bundle's model was fitted on all `rows`.
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
    judged: str | None = None


def train(project: Project, *, progress: Progress = QUIET) -> TrainResult:
    """Write `model/`, `metrics.json`, `reports/plots/` and the evaluation; log the run.

    The model is fitted on training and validation part together; with `train.refit` the bundle is
    of one that was fitted again on every row, and holds the judged one. Raises `BundleError`, and
    writes no bundle, where the reloaded bundle does not reproduce training's predictions.
    """
    started = time.monotonic()
    open_tracker(project).prepare()  # before the fit
    progress.update("reading the features")
    work = _read(project)
    slices = declared_slices(project, work.whole)  # before the fit, too
    decided = decide(project.root, project.config, work)
    progress.update(f"fitting on {len(work.events.split.fitted)} rows")
    with ThreadPoolExecutor(1) as beside:  # a fit leaves half of two cores idle
        profiled = beside.submit(profile, project, work)
        fitted = Answering(_fit(work), decided)
        progress.update("judging on the hold-out")
        evaluation, held = _evaluate(work, fitted, slices)
        predictions = held.judged.predictions
        reference = with_outcomes(project, work, predictions, profiled.result())
    for remark in _remarks(project, work, held):
        progress.log(remark)
    progress.update("proving that the bundle predicts what training does")
    files = bundle_files(project, work, fitted, reference)
    reproduced, report = prove(
        project, *files, lambda bundle: report_of(project.config, held, bundle)
    )
    again, report = _again(project, work, (decided, predictions), report, progress)
    page = evaluation_page(project.config.project, report)
    papers = {EVALUATION: pretty_json(report), EVALUATION_PAGE: page}
    source = _origin(project)
    tables = _plots(project, work, fitted, predictions)
    seconds = time.monotonic() - started
    run = replace(_run(project.config, work, evaluation, source), seconds=seconds)
    run_id = _log(project, run, tables, papers)
    made = partial(_provenance, project.config, work.events, source, run_id)
    digest = _write_bundle(project, files, again, made)
    metrics = {
        "validation": work.best.validation,
        "holdout": evaluation.flat(project.config.metric),
    }
    _write_plots(project, tables)
    write_text(project.root / EVALUATION, papers[EVALUATION])
    write_text(project.root / METRICS_FILE, pretty_json(metrics))
    return TrainResult(
        digest=digest,
        version=short(digest),
        metric=project.config.metric,
        holdout=metrics["holdout"],
        validation=metrics["validation"],
        method=evaluation.interval.method,
        rows=len(work.events.target if again else work.events.split.fitted),
        golden=reproduced,
        bundle=MODEL,
        metrics=METRICS_FILE,
        run_id=run_id,
        judged=short(report.version) if again else None,
    )


_Files = tuple[Model, Mapping[str, bytes]]


def _again(
    project: Project,
    work: Work,
    judged: tuple[Decided, NDArray[np.float64]],
    report: Report,
    progress: Progress,
) -> tuple[_Files | None, Report]:
    """The parts of the model that is fitted on everything, if one is, and the report naming it."""
    if project.config.train.refit is None:
        return None, report
    progress.update(f"fitting again on all {len(work.events.target)} rows")
    again = refitted(project, work, *judged, report.version)
    _, served = prove(project, *again, lambda bundle: bundle.digest)
    progress.log(_JUDGED.format(short(report.version), short(served)))
    return again, msgspec.structs.replace(report, served=served)


def _provenance(
    config: Config, events: Events, source: Origin, run_id: str | None, everything: bool
) -> dict[str, object]:
    rows = fitted_rows(events, config, everything=everything)
    return provenance(source, run_id, rows)


def _write_bundle(
    project: Project,
    files: _Files,
    again: _Files | None,
    made: Callable[[bool], dict[str, object]],
) -> str:
    """Write `model/`: the judged model, or the one fitted again with the judged one in it."""
    if again is None:
        return write_bundle(project.root / MODEL, *files, made(False))
    twin = project.cache / JUDGED
    try:
        write_bundle(twin, *files, made(False))
        return write_bundle(project.root / MODEL, *again, made(True), twin=twin)
    finally:
        shutil.rmtree(twin, ignore_errors=True)


def _read(project: Project) -> Work:
    file = project.root / BEST
    try:
        best = msgspec.json.decode(file.read_bytes(), type=Best)
    except (OSError, msgspec.DecodeError) as e:
        raise DataError(f"{BEST}: {str(e)[:300]}", hint="mlops tune") from e
    whole = read_events(project.root, project.config)
    before = before_of(project, whole)
    features = before.features if before else whole.features(whole.split.fitted)
    problem, events = problem_of(project.config, whole, features), whole
    if project.config.train.select is not None:
        events, problem = _selected(whole, problem, best)
    return Work(
        events=events,
        whole=whole,
        best=best,
        problem=problem,
        estimator=estimator_of(project.config.train.estimator, problem, best),
        before=before,
    )


def _selected(whole: Events, problem: Problem, best: Best) -> tuple[Events, Problem]:
    """Rows and problem with the features that `tune` has chosen."""
    if best.selection is None:
        raise DataError(f"{BEST} has no features that train.select asks for", hint="mlops tune")
    names = best.selection.features
    return whole.only(names), narrowed(problem, names)


def _remarks(project: Project, work: Work, held: HoldOut) -> Iterator[str]:
    if known := _known_subjects(project, work.events):
        yield known
    judged = held.judged
    if work.problem.task != "regression" and _all_alike(judged.predictions, judged.threshold):
        yield _ONE_LABEL


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


def _all_alike(predictions: NDArray[np.float64], threshold: float = THRESHOLD) -> bool:
    """Whether all rows get one label by their probabilities, shape (n,) or (n, classes)."""
    labels = class_indices(predictions, threshold)
    return bool((labels == labels[0]).all())


def _fit(work: Work) -> Fitted:
    features, split = work.problem.features, work.events.split
    if work.before is not None:
        parts = (work.events.part(features, rows) for rows in (split.train, split.validation))
        train, validation = parts
        return work.before.go_on(work.estimator, (train, validation), work.best.params)
    return fitted_of(work.estimator, work.events.part(features, split.fitted), work.best)


def _evaluate(
    work: Work, fitted: Answering, slices: Mapping[str, NDArray[np.bool_]]
) -> tuple[Evaluation, HoldOut]:
    events, decided = work.events, fitted.decided
    part = events.part(work.problem.features, events.split.holdout)
    said = fitted.answers(part.matrix)
    judged = Judged(
        replace(work.problem.question, threshold=decided.threshold),
        events.plan.classes,
        part.target,
        said if decided.interval is None else said[:, 0],
        threshold=decided.threshold,
        costs=decided.costs,
    )
    found = evaluate(judged.question, part.target, judged.predictions)
    if decided.interval is not None:
        covered = coverage_of(part.target, said[:, 1:])
        found = replace(found, metrics=found.metrics | covered)
    return found, HoldOut(work.whole, part.matrix, judged, slices, work.best)


def _origin(project: Project) -> Origin:
    me = stage("train")
    return origin(project.root, project.config, me.params, (FEATURES_TABLE, FEATURES_PLAN))


def _run(config: Config, work: Work, evaluation: Evaluation, source: Origin) -> RunRecord:
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


def _log(
    project: Project, run: RunRecord, tables: Mapping[str, str], papers: Mapping[str, str]
) -> str:
    pictures = drawings(project.config.task, tables)
    files = {f"{RUN_PLOTS}/{name}": picture for name, picture in pictures.items()}
    files |= {Path(name).name: text for name, text in papers.items()}
    return open_tracker(project).log_run(replace(run, files=files))


def _plots(
    project: Project, work: Work, fitted: Answering, predictions: NDArray[np.float64]
) -> dict[str, str]:
    events, threshold = work.events, fitted.decided.threshold
    target = events.target[events.split.holdout]
    tables = plots(
        project.config.task, events.plan.classes, target, predictions, threshold=threshold
    )
    return tables | importance_plot(fitted.importance())


def _write_plots(project: Project, tables: Mapping[str, str]) -> None:
    with replacing_folder(project.root / PLOTS) as folder:
        for name, text in tables.items():
            (folder / name).write_text(text, encoding="utf-8", newline="\n")
