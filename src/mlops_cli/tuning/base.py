"""The port of a search for parameters, and what it found."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, Protocol

import msgspec

from mlops_cli.config.paths import TUNE
from mlops_cli.config.sections.tune import SearchRange
from mlops_cli.evaluation.selection import Selection
from mlops_cli.progress import Progress
from mlops_cli.tracking.base import TrialState

BEST = f"{TUNE}/best.json"
TRIALS = f"{TUNE}/trials.csv"

Value = bool | int | float | str
Params = Mapping[str, Value]
Check = Callable[[], None]
"""Called now and then while a fit goes on; raises where the search was given up."""
Space = Mapping[str, SearchRange]
State = TrialState


@dataclass(frozen=True, slots=True)
class Outcome:
    """How far one trial is, and what it is worth now.

    `rounds` is the best round and `ran` how many were run (None: no rounds); `ended` says that
    the trial is over by itself. `metrics` are what the trial has to say beside its score.
    """

    score: float
    rounds: int | None = None
    ran: int | None = None
    ended: bool = True
    metrics: Callable[[], Mapping[str, float]] = dict


class Fit(Protocol):
    """One trial, which stops and goes on; of one thread at a time."""

    def advance(self, rounds: int, check: Check) -> Outcome:
        """Go on until `rounds` rounds are run, or the trial is over.

        Raises `UsageError` where its parameters cannot be (the trial then fails), and what `check`
        raises.
        """


Objective = Callable[[Params], Fit]
"""Begins a trial."""


@dataclass(frozen=True, slots=True)
class Shared:
    """A search that several processes carry on together, on any machine.

    `url` is the database that all reach, with `${VAR}` as they stand in `mlops.yaml`; `about` says
    in parts what `identity` is made of, so that a process can tell why a search is not its own. A
    `worker` joins a search that has begun, and waits for it; `stale` says then whether the project
    has changed meanwhile.
    """

    url: str
    project: str
    about: Mapping[str, str]
    worker: bool = False
    stale: Callable[[], bool] = bool


class Changed(Exception):
    """What a worker waits for is another search now: its project has changed."""


@dataclass(frozen=True, slots=True)
class SearchPlan:
    """What is searched, and how.

    `identity` names everything that the trials' scores depend on (data, estimator, versions):
    only a search of the same identity, space and settings is resumed. `seconds` is after how
    long no further trial starts. `rounds` is the most that a trial may run; `workers` is how many
    trials go on at once (1: in the thread that searches), which changes nothing of what is found.
    `anew`: no search is resumed, whatever its identity. After `patience` trials without a better
    one no further is drawn (None: all are). `first` are parameters that are tried before any are
    drawn. `shared`: other processes take part.
    """

    space: Space
    trials: int
    sampler: Literal["tpe", "random"]
    pruner: Literal["hyperband", "median", "none"]
    rounds: int
    seed: int
    greater_is_better: bool
    identity: str
    seconds: float | None = None
    workers: int = 1
    anew: bool = False
    patience: int | None = None
    first: Sequence[Params] = ()
    shared: Shared | None = None


@dataclass(frozen=True, slots=True)
class Trial:
    """One finished trial; when it began and ended stands in no output of a stage."""

    number: int
    state: State
    params: Params
    score: float | None
    rounds: int | None
    ran: int | None
    began: float | None = None
    ended: float | None = None
    metrics: Mapping[str, float] = field(default_factory=dict)
    reason: str | None = None


@dataclass(frozen=True, slots=True)
class Search:
    """All finished trials in order, `resumed` of which another process had run to their end.

    `spared` are those that were not drawn, since nothing more was to be expected.
    """

    trials: Sequence[Trial]
    best: Trial
    resumed: int
    spared: int = 0


class Searcher(Protocol):
    """Runs trials, and keeps in a journal what each gave.

    What is found depends on the plan alone: neither on `workers` nor on which of them was faster.
    A search that is killed at any moment and started again gives, trial by trial, what it would
    have given undisturbed: what stands in the journal is taken over, the rest is run.
    """

    def search(
        self, plan: SearchPlan, objective: Objective, folder: Path, *, progress: Progress
    ) -> Search:
        """Run the plan's trials, keeping journals under `folder`.

        Raises `UsageError` where every trial failed, with the last one's reason, and
        `EnvironmentFault` where another process runs this very search.
        """


class Member(msgspec.Struct, frozen=True):
    """One of the models that the final one is an average of; the weights of all sum to 1."""

    estimator: str
    params: dict[str, Value]
    rounds: int | None
    seed: int
    weight: float


class Best(msgspec.Struct, frozen=True):
    """The content of `tune/best.json`: what the final fit takes, and how it was found.

    `score` is the main metric on the validation part, `validation` every metric there. Rounds
    are boosting rounds, null for an estimator without them: `rounds` those of the best trial,
    `rounds_run` over all trials, `rounds_saved` those that the pruner spared, `rounds_spared_early`
    those that no gain for 20 rounds spared.
    `members` are what the final model is an average of, and `unseen` every metric of that average
    on rows which its models had not seen; without any, the final model is the best trial's.
    `selection` tells which features are left, where `train.select` asks for it.
    """

    metric: str
    score: float
    params: dict[str, Value]
    rounds: int | None
    trial: int
    trials: int
    pruned: int
    failed: int
    rounds_run: int | None
    rounds_saved: int | None
    rounds_spared_early: int | None
    validation: dict[str, float]
    members: list[Member] = []
    unseen: dict[str, float] = {}
    selection: Selection | None = None
