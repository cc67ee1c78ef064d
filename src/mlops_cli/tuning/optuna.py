"""Searching with Optuna's samplers, trials side by side, with one result whatever the timing."""

from __future__ import annotations

import hashlib
import math
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import cast

import msgspec
import numpy as np
import optuna
from optuna.trial import TrialState, create_trial

from mlops_cli.errors import UsageError
from mlops_cli.progress import Progress
from mlops_cli.tuning import open_shared_steps
from mlops_cli.tuning.base import (
    Check,
    Fit,
    Objective,
    Search,
    SearchPlan,
    State,
    Trial,
    Value,
)
from mlops_cli.tuning.distributions import distributions
from mlops_cli.tuning.journal import Step, Steps, held
from mlops_cli.tuning.workers import LATER, Together, Workers, open_workers

GENERATION = 10  # trials that are drawn together, knowing all before them


def open_searcher() -> OptunaSearcher:
    """See `tuning.open_searcher`."""
    return OptunaSearcher()


class OptunaSearcher:
    """`Searcher`: Optuna draws, and a trial is stopped by those that came as far.

    Trials are drawn ten at a time, each from a random stream of its own, and go from rung to rung
    together: which of them goes on is decided when all are there. So nothing depends on which was
    faster. What is past the last rung runs beside the next ten, which know it as it was there.
    """

    def search(
        self, plan: SearchPlan, objective: Objective, folder: Path, *, progress: Progress
    ) -> Search:
        """See `Searcher.search`."""
        with _quiet(), _steps_of(plan, folder, progress) as steps:
            if taken := min(steps.trials, plan.trials):
                progress.log(f"{taken} trials of an earlier process are taken over")
            with open_workers(plan.workers) as workers:
                among = workers if plan.shared is None else Together(workers)
                run = _Run(plan, objective, steps, among, progress)
                run.all_trials()
            return run.result()


@dataclass(slots=True, eq=False)
class _Trial:
    """A trial while it runs; `at` are its scores by rung, `last` is its last step, and `carried`
    are the rounds to which `fit` has come by its stops, where others may have done some steps."""

    number: int
    params: dict[str, Value]
    fit: Fit | None = None
    carried: int = 0
    at: dict[int, float] = field(default_factory=dict)
    last: Step | None = None
    state: State | None = None
    reason: str | None = None
    seconds: float = 0.0
    began: float | None = None
    resumed: bool = True


class _Run:
    """One search: what was drawn, how far it is, and what came to which rung."""

    def __init__(
        self,
        plan: SearchPlan,
        objective: Objective,
        steps: Steps,
        workers: Workers,
        progress: Progress,
    ) -> None:
        self._plan, self._objective, self._steps = plan, objective, steps
        self._workers, self._progress = workers, progress
        self._space = distributions(plan.space)
        self._rungs, self._keeps = _rungs(plan)
        self._came: dict[int, list[float]] = {rung: [] for rung in self._rungs}
        self._started = time.monotonic()
        self._trials: list[_Trial] = []
        self.spared = 0

    def all_trials(self) -> None:
        """Run every trial to its end."""
        for first in range(0, self._plan.trials, GENERATION):
            if first and (self._time_is_over() or self._nothing_more()):
                break
            live = self._draw(range(first, min(first + GENERATION, self._plan.trials)))
            for rung in self._rungs:
                live.sort(key=lambda t: t.fit is None)  # those that this process has begun
                self._workers.each(partial(self._advance, until=rung), live, self._told)
                # The dearest first, so that no core waits long for the last one.
                live = sorted(self._those_that_go_on(live, rung), key=lambda t: -t.seconds)
            # Past the last rung: these run on beside the next ten.
            self._workers.begin(partial(self._advance, until=self._plan.rounds), live, self._told)
        self._workers.finish()
        if self.spared:
            self._progress.log(
                f"the last {self._plan.patience} trials found nothing better: {self.spared} more "
                "are spared (tune.patience)"
            )
        elif len(self._finished()) < self._plan.trials and self._plan.seconds is not None:
            self._progress.log(f"no further trial starts: {self._plan.seconds:.0f} s are over")

    def _draw(self, numbers: Sequence[int]) -> list[_Trial]:
        """New trials that know of all earlier ones how they were at the last rung."""
        study = optuna.create_study(direction="minimize")
        study.add_trials([known for t in self._trials if (known := self._known(t))])
        for params in self._plan.first if not self._trials else ():
            study.enqueue_trial(dict(params))
        asked = []
        for number in numbers:
            study.sampler = _sampler(self._plan, number)
            asked.append(dict(study.ask(self._space).params))
        counts = self._steps.drawn(numbers[0], asked)
        drawn = [_Trial(number, params) for number, params in zip(numbers, counts, strict=True)]
        self._trials += drawn
        return drawn

    def _known(self, trial: _Trial) -> optuna.trial.FrozenTrial | None:
        """A trial as later ones know it: where it runs on past the last rung, as it was there."""
        if not trial.at:  # it failed before the first rung
            return None
        pruned = trial.state == "pruned"
        return create_trial(
            state=TrialState.PRUNED if pruned else TrialState.COMPLETE,
            params=trial.params,
            distributions=self._space,
            value=None if pruned else trial.at[max(trial.at)],
            intermediate_values=trial.at,
        )

    def _advance(self, trial: _Trial, check: Check, *, until: int) -> Step | None:
        """In a worker: one step of a trial, from the journal if it was done before."""
        if (done := self._steps.find(trial.number, until, trial.params)) is not None:
            return done
        if trial.number and trial.last is None and self._time_is_over():
            return None
        self._steps.check()
        if not self._steps.take(trial.number, until):
            return cast("Step", LATER)
        trial.resumed = False
        started = time.monotonic()
        step = self._step(trial, partial(self._checked, check), until)
        return self._steps.add(
            msgspec.structs.replace(step, seconds=time.monotonic() - started, ended_at=time.time())
        )

    def _checked(self, check: Check) -> None:
        check()
        self._steps.check()

    def _step(self, trial: _Trial, check: Check, until: int) -> Step:
        """Carry a trial on to `until` rounds."""
        step = Step(trial.number, until, trial.params)
        try:
            if trial.fit is None:
                trial.fit, trial.carried = self._objective(trial.params), 0
            for rung in self._rungs:  # what a fit looks at is told by where it stops
                if trial.carried < rung < until:
                    trial.fit.advance(rung, check)
            outcome = trial.fit.advance(until, check)
            trial.carried = until
        except UsageError as e:
            return msgspec.structs.replace(step, failed=str(e)[:300])
        if not math.isfinite(outcome.score):
            return msgspec.structs.replace(step, failed=f"its score is {outcome.score}")
        over = outcome.ended or until == self._plan.rounds
        return msgspec.structs.replace(
            step,
            score=outcome.score,
            rounds=outcome.rounds,
            ran=outcome.ran,
            ended=over,
            metrics=dict(outcome.metrics()) if over else {},
        )

    def _told(self, trial: _Trial, step: Step | None) -> None:
        """In the searching thread: take in what a step gave."""
        if step is None:
            self._trials.remove(trial)
            return
        if trial.last is None and step.ended_at is not None:
            trial.began = step.ended_at - step.seconds
        trial.last = step
        trial.seconds += step.seconds
        if step.failed is not None:
            trial.state, trial.reason = "failed", step.failed
        elif step.until in self._came:
            trial.at[step.until] = self._loss(step.score)
        if step.failed is None and step.ended:
            trial.state = "complete"
        if trial.state is not None:
            self._over(trial)

    def _those_that_go_on(self, came: Sequence[_Trial], rung: int) -> list[_Trial]:
        """Those of the best third (or half) of all that ever came to this rung; others end here."""
        here = [t for t in came if rung in t.at]
        everybody = self._came[rung]
        everybody += [t.at[rung] for t in here]
        if not here:
            return []
        last = sorted(everybody)[math.ceil(len(everybody) / self._keeps) - 1]
        going = [t for t in here if t.state is None]
        for trial in going:
            if trial.at[rung] > last:
                trial.state = "pruned"
                self._over(trial)
        return [t for t in going if t.state is None]

    def _over(self, trial: _Trial) -> None:
        trial.fit = None  # its rows' gradients and margins
        if trial.state is not None:
            score = trial.last.score if trial.last else None
            self._steps.over(trial.number, trial.state, score)
        done, total = len(self._finished()), self._plan.trials
        steps = [t.last for t in self._trials if t.last]
        leader = min(steps, key=lambda step: (self._loss(step.score), step.trial))
        best = f", best {leader.score:.4f} (trial {leader.trial})" if leader.score else ""
        left = (time.monotonic() - self._started) / done * (total - done)
        text = f"trials{best}, {left:.0f} s left"  # how many of how many stands before it
        self._progress.update(text, done=done, total=total)

    def _finished(self) -> list[Trial]:
        return [_finished(t, t.last, t.state) for t in self._trials if t.last and t.state]

    def _time_is_over(self) -> bool:
        seconds = self._plan.seconds
        return seconds is not None and time.monotonic() - self._started >= seconds

    def _nothing_more(self) -> bool:
        """Whether so many of the last trials were no better than one before, at the last rung."""
        patience, came = self._plan.patience, len(self._trials)
        if patience is None:
            return False
        there = [t for t in self._trials if t.at and t.state != "pruned"]
        if not there:
            return False
        leader = min(there, key=lambda t: (t.at[max(t.at)], t.number))
        self.spared = self._plan.trials - came if came - leader.number > patience else 0
        return self.spared > 0

    def _loss(self, score: float | None) -> float:
        """The score as something to minimise; nothing is worse than none."""
        return _loss(self._plan, score)

    def result(self) -> Search:
        """What was found."""
        trials = self._finished()
        best = _best(self._plan, trials)
        if best is None:
            reason = next((t.reason for t in reversed(trials) if t.reason), "none was completed")
            raise UsageError(
                f"all {len(trials)} trials failed, the last one so: {reason}",
                hint="fix tune.space or train.params in mlops.yaml",
            )
        resumed = sum(t.resumed for t in self._trials)
        return Search(trials=trials, best=best, resumed=resumed, spared=self.spared)


@contextmanager
def _steps_of(plan: SearchPlan, folder: Path, progress: Progress) -> Iterator[Steps]:
    """What is done of the plan: a journal under `folder`, or in the database that it names."""
    digest = _digest(plan)
    if plan.shared is None:
        with held(folder / digest, anew=plan.anew) as journal:
            yield journal
        return
    with open_shared_steps(digest, plan, progress) as steps:
        yield steps


def _loss(plan: SearchPlan, score: float | None) -> float:
    if score is None:
        return math.inf
    return -score if plan.greater_is_better else score


def _best(plan: SearchPlan, trials: Sequence[Trial]) -> Trial | None:
    """The best complete trial; the first of equals."""
    done = [t for t in trials if t.state == "complete"]
    return min(done, key=lambda t: (_loss(plan, t.score), t.number), default=None)


def _digest(plan: SearchPlan) -> str:
    """What makes two searches the same one; how many trials, and how long, does not."""
    settings: dict[str, object] = {
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
    if plan.first:
        settings["first"] = [dict(params) for params in plan.first]
    return hashlib.sha256(msgspec.json.encode(settings, order="sorted")).hexdigest()[:16]


def _sampler(plan: SearchPlan, number: int) -> optuna.samplers.BaseSampler:
    # A sampler that is made anew begins its stream again: each trial gets a stream of its own.
    seed = int(np.random.SeedSequence((plan.seed, number)).generate_state(1)[0])
    if plan.sampler == "tpe":
        return optuna.samplers.TPESampler(seed=seed)
    return optuna.samplers.RandomSampler(seed=seed)


def _rungs(plan: SearchPlan) -> tuple[list[int], int]:
    """The rounds after which trials are compared, and one in how many goes on."""
    if plan.pruner == "none":
        return [plan.rounds], 1
    first, keeps = max(1, min(10, plan.rounds // 3)), {"hyperband": 3, "median": 2}[plan.pruner]
    rungs = [first]
    while rungs[-1] * keeps < plan.rounds:
        rungs.append(rungs[-1] * keeps)
    return rungs, keeps


def _finished(trial: _Trial, last: Step, state: State) -> Trial:
    complete = state == "complete"
    return Trial(
        number=trial.number,
        state=state,
        params=trial.params,
        score=last.score if complete else None,
        rounds=last.rounds,
        ran=last.ran,
        began=trial.began,
        ended=last.ended_at,
        metrics=last.metrics if complete else {},
        reason=trial.reason,
    )


@contextmanager
def _quiet() -> Iterator[None]:
    before = optuna.logging.get_verbosity()
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    try:
        yield
    finally:
        optuna.logging.set_verbosity(before)
