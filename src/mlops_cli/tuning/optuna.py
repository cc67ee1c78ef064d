"""Searching with Optuna, so that a search that was killed goes on as if it had not been."""

from __future__ import annotations

import hashlib
import math
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Any, Literal, assert_never

import msgspec
import numpy as np
import optuna
from optuna.distributions import (
    BaseDistribution,
    CategoricalDistribution,
    FloatDistribution,
    IntDistribution,
)
from optuna.storages.journal import JournalFileBackend, JournalFileOpenLock, JournalStorage
from optuna.trial import FrozenTrial, TrialState

from mlops_cli.config.sections.tune import Choice, FloatRange, IntRange, SearchRange
from mlops_cli.errors import UsageError
from mlops_cli.progress import Progress
from mlops_cli.tuning.base import Objective, Outcome, Search, SearchPlan, State, Trial
from mlops_cli.tuning.journal import held

_NAME = "search"  # Hyperband draws a trial's bracket from the study's name
_STATES: dict[TrialState, State] = {
    TrialState.COMPLETE: "complete",
    TrialState.PRUNED: "pruned",
    TrialState.FAIL: "failed",
}


def open_searcher() -> OptunaSearcher:
    """See `tuning.open_searcher`."""
    return OptunaSearcher()


class OptunaSearcher:
    """`Searcher`: the search runs in memory, a trial is journaled whole when it is finished.

    So rounds are reported at memory's speed, and what is resumed are finished trials by
    construction. The random stream of each trial is its own, drawn from seed and number.
    """

    def search(
        self, plan: SearchPlan, objective: Objective, folder: Path, *, progress: Progress
    ) -> Search:
        """See `Searcher.search`."""
        with _quiet(), held(folder / _digest(plan)) as file:
            run = _Run(plan, _journal(plan, file))
            resumed = len(run.trials)
            if resumed:
                progress.say(f"{resumed} finished trials are taken over from {file.parent.name}")
            started = time.monotonic()
            while (number := len(run.trials)) < plan.trials:
                elapsed = time.monotonic() - started
                if number and plan.seconds is not None and elapsed >= plan.seconds:
                    progress.say(f"no further trial starts: {plan.seconds:.0f} s are over")
                    break
                run.trial(number, objective)
                _tell(progress, run, number + 1 - resumed, time.monotonic() - started)
            return run.result(resumed)


class _Run:
    """One search in memory, and its journal."""

    def __init__(self, plan: SearchPlan, journal: optuna.Study) -> None:
        self._plan = plan
        self._journal = journal
        self._space = {name: _distribution(r) for name, r in plan.space.items()}
        self.study = optuna.create_study(
            study_name=_NAME, direction=_direction(plan), pruner=_pruner(plan)
        )
        for trial in journal.trials[: plan.trials]:
            self.study.add_trial(trial)

    @property
    def trials(self) -> list[FrozenTrial]:
        """All trials so far; Optuna's own property copies every round of every one."""
        return self.study.get_trials(deepcopy=False)

    @property
    def best(self) -> FrozenTrial | None:
        """The best complete trial so far; the first of equals."""
        done = self.study.get_trials(deepcopy=False, states=(TrialState.COMPLETE,))
        return min(done, key=lambda t: (self._loss(t.value), t.number), default=None)

    def _loss(self, score: float | None) -> float:
        """The score as something to minimise; nothing is worse than none."""
        if score is None:
            return math.inf
        return -score if self._plan.greater_is_better else score

    def trial(self, number: int, objective: Objective) -> None:
        """Run trial `number` and journal it."""
        self.study.sampler = _sampler(self._plan, number)
        trial = self.study.ask(self._space)

        def report(step: int, score: float) -> bool:
            trial.report(score, step)
            return trial.should_prune()

        try:
            outcome = objective(trial.params, report)
        except UsageError as e:
            trial.set_user_attr("reason", str(e)[:300])
            self.study.tell(trial, state=TrialState.FAIL)
        else:
            self._finish(trial, outcome)
        self._journal.add_trial(self.trials[number])

    def _finish(self, trial: optuna.Trial, outcome: Outcome) -> None:
        for name in ("rounds", "ran"):
            trial.set_user_attr(name, getattr(outcome, name))
        if outcome.stopped:
            self.study.tell(trial, state=TrialState.PRUNED)
        elif not math.isfinite(outcome.score):
            trial.set_user_attr("reason", f"its score is {outcome.score}")
            self.study.tell(trial, state=TrialState.FAIL)
        else:
            if self._leads(outcome.score):
                # Only a leader's metrics are ever asked for, and they cost a prediction.
                trial.set_user_attr("metrics", dict(outcome.metrics()))
            self.study.tell(trial, outcome.score)

    def _leads(self, score: float) -> bool:
        best = self.best
        return best is None or self._loss(score) < self._loss(best.value)

    def result(self, resumed: int) -> Search:
        """What was found."""
        trials = [_finished(t) for t in self.trials]
        best = self.best
        if best is None:
            reason = next((t.reason for t in reversed(trials) if t.reason), "none was completed")
            raise UsageError(
                f"all {len(trials)} trials failed, the last one so: {reason}",
                hint="mend tune.space or train.params in mlops.yaml",
            )
        return Search(trials=trials, best=trials[best.number], resumed=resumed)


class _NoLock(JournalFileOpenLock):
    """The folder is held for the whole search; Optuna's lock file would outlive a kill by 30 s."""

    def acquire(self) -> bool:
        """Nobody else writes."""
        return True

    def release(self) -> None:
        """Nothing is held."""


def _journal(plan: SearchPlan, file: Path) -> optuna.Study:
    return optuna.create_study(
        storage=JournalStorage(JournalFileBackend(str(file), lock_obj=_NoLock(str(file)))),
        study_name=_NAME,
        direction=_direction(plan),
        load_if_exists=True,
    )


def _digest(plan: SearchPlan) -> str:
    """What makes two searches the same one; how many trials, and how long, does not."""
    settings = {
        "space": {name: r.model_dump(by_alias=True) for name, r in plan.space.items()},
        "order": list(plan.space),
        "sampler": plan.sampler,
        "pruner": plan.pruner,
        "rounds": plan.rounds,
        "seed": plan.seed,
        "greater_is_better": plan.greater_is_better,
        "identity": plan.identity,
        "optuna": optuna.__version__,
    }
    return hashlib.sha256(msgspec.json.encode(settings, order="sorted")).hexdigest()[:16]


def _direction(plan: SearchPlan) -> Literal["maximize", "minimize"]:
    return "maximize" if plan.greater_is_better else "minimize"


def _sampler(plan: SearchPlan, number: int) -> optuna.samplers.BaseSampler:
    # A sampler that is made anew begins its stream again: each trial gets a stream of its own.
    seed = int(np.random.SeedSequence((plan.seed, number)).generate_state(1)[0])
    if plan.sampler == "tpe":
        return optuna.samplers.TPESampler(seed=seed)
    return optuna.samplers.RandomSampler(seed=seed)


def _pruner(plan: SearchPlan) -> optuna.pruners.BasePruner:
    match plan.pruner:
        case "hyperband":
            first = max(1, min(10, plan.rounds // 3))
            return optuna.pruners.HyperbandPruner(min_resource=first, max_resource=plan.rounds)
        case "median":
            return optuna.pruners.MedianPruner(n_startup_trials=5, n_warmup_steps=10)
        case "none":
            return optuna.pruners.NopPruner()
        case _:
            assert_never(plan.pruner)


def _distribution(r: SearchRange) -> BaseDistribution:
    match r:
        case IntRange():
            return IntDistribution(*r.int_, log=r.log)
        case FloatRange():
            return FloatDistribution(*r.float_, log=r.log)
        case Choice():
            return CategoricalDistribution(r.choice)
        case _:
            assert_never(r)


def _finished(trial: FrozenTrial) -> Trial:
    told: dict[str, Any] = trial.user_attrs
    score = trial.value if trial.state is TrialState.COMPLETE else None
    return Trial(
        number=trial.number,
        state=_STATES[trial.state],
        params=trial.params,
        score=score,
        rounds=told.get("rounds"),
        ran=told.get("ran"),
        seconds=_seconds(trial.datetime_start, trial.datetime_complete),
        metrics=told.get("metrics", {}),
        reason=told.get("reason"),
    )


def _seconds(start: datetime | None, end: datetime | None) -> float:
    return (end - start).total_seconds() if start and end else 0.0


def _tell(progress: Progress, run: _Run, ran: int, elapsed: float) -> None:
    plan, done = run._plan, len(run.trials)
    best = run.best
    score = f", best {best.value:.4f} (trial {best.number})" if best else ""
    left = elapsed / ran * (plan.trials - done)
    if plan.seconds is not None:
        left = min(left, max(0.0, plan.seconds - elapsed))
    progress.update(
        f"trial {done} of {plan.trials}{score}, {left:.0f} s left", done=done, total=plan.trials
    )


@contextmanager
def _quiet() -> Iterator[None]:
    before = optuna.logging.get_verbosity()
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    try:
        yield
    finally:
        optuna.logging.set_verbosity(before)
