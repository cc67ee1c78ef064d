"""Search for the estimator's parameters on the training part, judged by the validation part."""

from __future__ import annotations

import hashlib
import os
import time
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import msgspec
import numpy as np

from mlops_cli._files import replacing_folder, sha256_of, write_text
from mlops_cli._json import canonical_json, pretty_json
from mlops_cli.bundling.finish import finished
from mlops_cli.bundling.objective import objective_of
from mlops_cli.bundling.search_work import SearchWork, search_work
from mlops_cli.bundling.selection import Selecting, selecting_of
from mlops_cli.config.model import Config
from mlops_cli.config.paths import FEATURES_PLAN, FEATURES_TABLE, TUNE
from mlops_cli.config.project import Project
from mlops_cli.config.sections.train import AUTO, DECIDED
from mlops_cli.cores import cores
from mlops_cli.errors import UsageError
from mlops_cli.evaluation.metrics import metric_of
from mlops_cli.features.leaks import Looked, leaks
from mlops_cli.progress import QUIET, Progress
from mlops_cli.stages import ANEW, stage
from mlops_cli.tracking import open_tracker
from mlops_cli.tracking.base import DatasetRecord, Role, RunRecord
from mlops_cli.training import standing_ready
from mlops_cli.training.base import Estimator
from mlops_cli.training.data import Events, about_groups, read_events
from mlops_cli.training.provenance import data_digest, datasets
from mlops_cli.tuning import open_searcher
from mlops_cli.tuning.base import (
    BEST,
    TRIALS,
    Best,
    Objective,
    Search,
    SearchPlan,
    Shared,
)
from mlops_cli.tuning.oof import OOF, Leaders, OutOfFold, write_oof
from mlops_cli.tuning.spaces import ends
from mlops_cli.tuning.summary import alone, best_of, together, trial_records, trials_csv

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

    Of `auto` each estimator that stands ready is searched by itself. Raises `UsageError` for an
    estimator that cannot be served and for a space in which every trial fails, `DataError` where a
    part is too small for the metric, `EnvironmentFault` where the tracking store cannot be used:
    all but the second before the search. A search that was cut off goes on where it was.
    """
    config = project.config
    started = time.monotonic()
    tracker = open_tracker(project)
    with ThreadPoolExecutor(1) as beside:
        prepared = beside.submit(tracker.prepare)
        events = _events(project, progress)
        rows = _selected(project, events, progress)
        ready = {name: _ready(one, rows, progress) for name, one in _entrants(project).items()}
        told = beside.submit(_leaks, config, events)
        prepared.result()
        for leak in told.result():
            progress.log(leak)
    searched = {name: one.search(project.cache / JOURNALS, progress) for name, one in ready.items()}
    greater = metric_of(config.task, config.metric).greater_is_better
    found, leader = together(searched, greater_is_better=greater)
    best = best_of(found, metric=config.metric, rounds=config.tune.rounds)
    progress.update("weighing models on folds")
    each = {
        name: best_of(search, metric=config.metric, rounds=config.tune.rounds)
        for name, search in searched.items()
    }
    final, unseen = finished(config, rows, best, each)
    if config.train.estimator == AUTO and not final.members:
        final = alone(final, leader, each[leader], config.train.seed)
    if not config.train.needs_unseen:
        unseen = None
    elif unseen is None:
        unseen = ready[leader].unseen(each[leader])
    final = msgspec.structs.replace(final, selection=rows.selection())
    _write(project.root, final, trials_csv(found), unseen)
    seconds = time.monotonic() - started
    run = replace(_run(project, final), seconds=seconds, datasets=ready[leader].datasets)
    tracker.log_trials(run, trial_records(final, found))
    return _result(final, found)


@dataclass(frozen=True, slots=True)
class _Ready:
    """One estimator's search before it begins; parts are in memory once, binned where it bins."""

    plan: SearchPlan
    objective: Objective
    datasets: list[DatasetRecord]
    seen_by: OutOfFold
    leaders: Leaders | None

    def search(self, journals: Path, progress: Progress) -> Search:
        """Run the trials."""
        return open_searcher().search(self.plan, self.objective, journals, progress=progress)

    def unseen(self, best: Best) -> OutOfFold | None:
        """What the best trial said of the rows that judged it; None where nobody listened."""
        if self.leaders is None:
            return None
        said = self.leaders.unseen(best, self.objective, self.plan.rounds)
        return replace(self.seen_by, predictions=said)


def _entrants(project: Project) -> dict[str, Project]:
    """The project as each estimator that is searched would have it, by the estimator's name."""
    config = project.config
    if config.train.estimator != AUTO:
        return {config.train.estimator: project}
    made = {}
    for name in standing_ready():
        train = config.train.model_copy(update={"estimator": name})
        made[name] = replace(project, config=config.model_copy(update={"train": train}))
    return made


def _ready(project: Project, rows: Selecting, progress: Progress) -> _Ready:
    work = _checked(project, rows, progress)
    plan, leaders = _plan(project, work), _leaders(project.config)
    return _Ready(
        plan, _objective(work, plan, leaders), _datasets(project, work), work.seen_by, leaders
    )


def shared_search(
    project: Project, *, progress: Progress, stale: Callable[[], bool]
) -> tuple[SearchPlan, Objective]:
    """The search of `tune`, as a worker takes part in it; raises what `tune` raises before it."""
    rows = _selected(project, _events(project, progress), progress)
    work = _checked(project, rows, progress)
    plan = _plan(project, work)
    if plan.shared is None:
        raise UsageError(
            "mlops.yaml: tune.storage names no database for workers to meet in",
            hint="tune: {storage: ${TUNE_URL}}, with TUNE_URL=postgresql://... in the environment",
        )
    joins = replace(plan.shared, worker=True, stale=stale)
    return replace(plan, shared=joins, anew=False), _objective(work, plan)


def _events(project: Project, progress: Progress) -> Events:
    progress.update("reading the features")
    events = read_events(project.root, project.config)
    if said := about_groups(events, project.config):
        progress.log(said)
    return events


def _selected(project: Project, events: Events, progress: Progress) -> Selecting:
    if project.config.train.select is not None:
        progress.update("choosing features")
    rows = selecting_of(project.config, events)
    if rows.keep is not None:
        progress.log(f"{rows.keep} of {len(events.plan.features)} features stay")
    return rows


def _checked(project: Project, rows: Selecting, progress: Progress) -> SearchWork:
    """What is made of the rows for an estimator that can be served."""
    work = search_work(project.config, rows)
    progress.update("checking that the model can be served")
    work.estimator.check(work.train, [*ends(work.space), *project.config.tune.first])
    return work


def _objective(work: SearchWork, plan: SearchPlan, leaders: Leaders | None = None) -> Objective:
    return objective_of(work.problem.task, work.judging, plan.rounds, leaders)


def _leaks(config: Config, events: Events) -> list[str]:
    """What of the features knows the outcome, in words."""
    every = np.arange(len(events.target))
    looked = Looked(
        plan=events.plan,
        task=config.task,
        read=lambda names, rows: events.rows(every if rows is None else rows, names),
        target=events.target,
        moments=events.moments,
        fitted=events.split.fitted,
        holdout=events.split.holdout,
        time=config.data.time,
        by_time=config.split_by == "time",
    )
    return list(leaks(looked))


def _leaders(config: Config) -> Leaders | None:
    """Who keeps what the best trial says of rows that it has not seen, where that is needed."""
    if not config.train.needs_unseen:
        return None
    return Leaders(greater_is_better=metric_of(config.task, config.metric).greater_is_better)


def _plan(project: Project, work: SearchWork) -> SearchPlan:
    config, space = project.config, work.space
    metric = metric_of(config.task, config.metric)
    about = _about(project, work.estimator)
    return SearchPlan(
        space=space,
        trials=config.tune.trials if space else 1,  # the same fit twice finds nothing
        sampler=config.tune.sampler,
        pruner=config.tune.pruner,
        rounds=config.tune.rounds,
        seed=config.train.seed,
        greater_is_better=metric.greater_is_better,
        identity=hashlib.sha256(canonical_json(about)).hexdigest(),
        seconds=config.tune.timeout.total_seconds() if config.tune.timeout else None,
        anew=os.environ.get(ANEW) == "1",
        workers=_workers(config) if work.estimator.has_rounds else 1,
        patience=config.tune.patience,
        first=config.tune.first,
        shared=_shared(config, about),
    )


def _shared(config: Config, about: Mapping[str, Any]) -> Shared | None:
    if config.tune.storage is None:
        return None
    parts = {name: _short_text(value) for name, value in about.items()}
    parts["tune"] = _short_text(config.model_dump(mode="json", include={"tune"})["tune"])
    return Shared(config.tune.storage, config.project, parts)


def _short_text(value: object) -> str:
    """A value as itself where it is a short text, else as a digest: to compare, not to read."""
    if isinstance(value, str) and len(value) < 64:
        return value
    return hashlib.sha256(canonical_json(value)).hexdigest()[:16]


def _workers(config: Config) -> int:
    """How many trials go on at once."""
    return cores() if config.tune.workers == "auto" else config.tune.workers


def _about(project: Project, estimator: Estimator) -> dict[str, Any]:
    """Everything that a trial's score depends on, the space and its search apart."""
    me = stage("tune")
    said: dict[str, Any] = project.config.model_dump(
        mode="json",
        by_alias=True,
        include={"task", "data", "split", "train"},
        exclude={"train": set(DECIDED)},
    )
    files = [FEATURES_TABLE, FEATURES_PLAN, *project.modules]
    said |= {name: sha256_of(project.root / name) for name in files}
    return said | {"revision": me.revision, "metric": project.config.metric, **estimator.settings()}


def _write(root: Path, best: Best, trials: str, unseen: OutOfFold | None) -> None:
    with replacing_folder(root / TUNE) as folder:
        write_text(folder / BEST.rpartition("/")[2], pretty_json(best, sort_keys=True))
        (folder / TRIALS.rpartition("/")[2]).write_text(trials, encoding="utf-8", newline="\n")
        if unseen is not None:
            write_oof(folder / OOF.rpartition("/")[2], unseen)


def _datasets(project: Project, work: SearchWork) -> list[DatasetRecord]:
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
