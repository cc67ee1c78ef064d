"""Search for the estimator's parameters on the training part, judged by the validation part."""

from __future__ import annotations

import hashlib
import os
import time
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mlops_cli._files import replacing_folder, sha256_of, write_text
from mlops_cli._json import canonical_json, pretty_json
from mlops_cli.bundle.manifest import Task
from mlops_cli.bundling.finish import finished
from mlops_cli.config.model import Config
from mlops_cli.config.paths import TUNE
from mlops_cli.config.project import Project
from mlops_cli.cores import cores
from mlops_cli.evaluation.evaluate import check_part
from mlops_cli.evaluation.metrics import metric_of, metrics_of
from mlops_cli.progress import QUIET, Progress
from mlops_cli.stages import ANEW, stage
from mlops_cli.tracking import open_tracker
from mlops_cli.tracking.base import DatasetRecord, Role, RunRecord, TrialRecord
from mlops_cli.training import open_estimator
from mlops_cli.training.base import Estimator, Part, Problem, TrialFit
from mlops_cli.training.data import Events, about_groups, problem_of, read_events
from mlops_cli.training.provenance import data_digest, datasets
from mlops_cli.tuning import open_searcher
from mlops_cli.tuning.base import (
    BEST,
    TRIALS,
    Best,
    Check,
    Objective,
    Outcome,
    Search,
    SearchPlan,
    Space,
)
from mlops_cli.tuning.spaces import ends, space_of
from mlops_cli.tuning.summary import best_of, trials_csv

JOURNALS = "tune"  # under .mlops/


@dataclass(frozen=True, slots=True)
class TuneResult:
    """The best trial, and what the search took.

    `score` is the main metric on the validation part. Rounds are boosting rounds, null for an
    estimator without them: of the best trial, run over all trials, and saved by the pruner.
    `resumed` trials were taken over from a search that was cut off.
    """

    metric: str
    score: float
    params: Mapping[str, object]
    rounds: int | None
    trials: int
    pruned: int
    failed: int
    resumed: int
    rounds_run: int | None
    rounds_saved: int | None
    best: str


def tune(project: Project, *, progress: Progress = QUIET) -> TuneResult:
    """Write `tune/`: the best parameters and the list of trials; log the trials as runs.

    Raises `UsageError` for an estimator that cannot be served and for a space in which every
    trial fails, `DataError` where a part is too small for the metric, `EnvironmentFault` where
    the tracking store cannot be used: all but the second before the search. A search that was
    cut off goes on where it was.
    """
    config = project.config
    started = time.monotonic()
    space = space_of(config.train.estimator, config.tune.space, config.train.params)
    tracker = open_tracker(project)
    with ThreadPoolExecutor(1) as beside:
        prepared = beside.submit(tracker.prepare)
        progress.update("reading the features")
        events = read_events(project.root, config)
        if said := about_groups(events, config):
            progress.log(said)
        work = _read(config, events)
        progress.update("checking that the model can be served")
        work.estimator.check(work.train, ends(space))
        plan, objective = _plan(project, work, space), _objective(work)
        read = _datasets(project, work)
        del work  # a training part that is binned has no second copy in memory
        prepared.result()
    found = open_searcher().search(plan, objective, project.cache / JOURNALS, progress=progress)
    best = best_of(found, metric=config.metric, rounds=config.tune.rounds)
    progress.update("weighing models on folds")
    best, _ = finished(config, events, best)
    _write(project.root, best, trials_csv(found))
    seconds = time.monotonic() - started
    run = replace(_run(project, best), seconds=seconds, datasets=read)
    tracker.log_trials(run, _trials(best, found))
    return _result(best, found)


@dataclass(frozen=True, slots=True)
class _Work:
    problem: Problem
    estimator: Estimator
    train: Part
    validation: Part


def _read(config: Config, events: Events) -> _Work:
    parts = events.split
    problem = replace(
        problem_of(config, events, events.features(parts.train)), threads=_threads(config)
    )
    for name, rows in (("validation", parts.validation), ("hold-out", parts.holdout)):
        check_part(problem.question, events.target[rows], name)
    return _Work(
        problem=problem,
        estimator=open_estimator(config.train.estimator, problem),
        train=events.part(problem.features, parts.train),
        validation=events.part(problem.features, parts.validation),
    )


@dataclass(frozen=True, slots=True)
class _Fit:
    """`tuning.Fit` by the estimator's `TrialFit`."""

    task: Task
    target: NDArray[np.float64]
    fit: TrialFit

    def advance(self, rounds: int, check: Check) -> Outcome:
        """See `tuning.base.Fit.advance`."""
        tried = self.fit.advance(rounds, check)
        return Outcome(
            score=tried.score,
            rounds=tried.rounds,
            ran=tried.ran,
            ended=tried.ended,
            metrics=lambda: metrics_of(self.task, self.target, tried.predict()),
        )


def _objective(work: _Work) -> Objective:
    trials = work.estimator.trials(work.train, work.validation)
    task, target = work.problem.task, work.validation.target
    return lambda params: _Fit(task, target, trials.start(params))


def _plan(project: Project, work: _Work, space: Space) -> SearchPlan:
    config = project.config
    metric = metric_of(config.task, config.metric)
    return SearchPlan(
        space=space,
        trials=config.tune.trials if space else 1,  # the same fit twice finds nothing
        sampler=config.tune.sampler,
        pruner=config.tune.pruner,
        rounds=config.tune.rounds,
        seed=config.train.seed,
        greater_is_better=metric.greater_is_better,
        identity=_identity(project, work.estimator),
        seconds=config.tune.timeout.total_seconds() if config.tune.timeout else None,
        anew=os.environ.get(ANEW) == "1",
        workers=_workers(config) if work.estimator.has_rounds else 1,
    )


def _workers(config: Config) -> int:
    """How many trials go on at once."""
    return cores() if config.tune.workers == "auto" else config.tune.workers


def _threads(config: Config) -> int:
    """The threads of a trial: one, or by a given number of workers its share of the cores."""
    return 1 if config.tune.workers == "auto" else max(1, cores() // config.tune.workers)


def _identity(project: Project, estimator: Estimator) -> str:
    """Everything that a trial's score depends on, the space and its search apart."""
    me = stage("tune")
    said: dict[str, Any] = project.config.model_dump(
        mode="json", by_alias=True, include={"task", "data", "split", "train"}
    )
    said |= {name: sha256_of(project.root / name) for name in me.deps}
    said |= {"revision": me.revision, "metric": project.config.metric, **estimator.settings()}
    return hashlib.sha256(canonical_json(said)).hexdigest()


def _write(root: Path, best: Best, trials: str) -> None:
    with replacing_folder(root / TUNE) as folder:
        write_text(folder / BEST.rpartition("/")[2], pretty_json(best, sort_keys=True))
        (folder / TRIALS.rpartition("/")[2]).write_text(trials, encoding="utf-8", newline="\n")


def _datasets(project: Project, work: _Work) -> list[DatasetRecord]:
    rows: dict[Role, int] = {
        "training": len(work.train.target),
        "validation": len(work.validation.target),
    }
    return datasets(project.config, work.problem.features, data_digest(project.root), rows)


def _run(project: Project, best: Best) -> RunRecord:
    numbers = {"rounds_run": best.rounds_run, "rounds_saved": best.rounds_saved}
    return RunRecord(
        name="tune",
        params={**best.params, "rounds": best.rounds, "trials": best.trials},
        metrics={best.metric: best.score} | {k: float(v) for k, v in numbers.items() if v},
        tags={"stage": "tune", "estimator": project.config.train.estimator},
    )


def _trials(best: Best, found: Search) -> list[TrialRecord]:
    """The trials as runs; one that was pruned has no score, since it was not fitted to its end."""
    return [
        TrialRecord(
            number=t.number,
            state=t.state,
            params=t.params,
            metrics=({best.metric: t.score} if t.score is not None else {})
            | ({"rounds": float(t.ran)} if t.ran is not None else {}),
            began=t.began,
            ended=t.ended,
            reason=t.reason,
        )
        for t in found.trials
    ]


def _result(best: Best, found: Search) -> TuneResult:
    return TuneResult(
        metric=best.metric,
        score=best.score,
        params=best.params,
        rounds=best.rounds,
        trials=best.trials,
        pruned=best.pruned,
        failed=best.failed,
        resumed=found.resumed,
        rounds_run=best.rounds_run,
        rounds_saved=best.rounds_saved,
        best=BEST,
    )
