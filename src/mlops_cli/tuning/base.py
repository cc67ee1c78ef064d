"""The port of a search for parameters, and what it found."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, Protocol

import msgspec

from mlops_cli.config.paths import TUNE
from mlops_cli.config.sections.tune import SearchRange
from mlops_cli.progress import Progress

BEST = f"{TUNE}/best.json"
TRIALS = f"{TUNE}/trials.csv"

Value = bool | int | float | str
Params = Mapping[str, Value]
Report = Callable[[int, float], bool]
"""Called by the objective after each round with its number (from 1) and score; true: stop now."""
Space = Mapping[str, SearchRange]
State = Literal["complete", "pruned", "failed"]


@dataclass(frozen=True, slots=True)
class Outcome:
    """What one trial gave.

    `rounds` is the best round and `ran` how many were run (None: no rounds); `stopped` says that
    the report asked to stop. `metrics` are what the trial has to say beside its score.
    """

    score: float
    rounds: int | None = None
    ran: int | None = None
    stopped: bool = False
    metrics: Callable[[], Mapping[str, float]] = dict


Objective = Callable[[Params, Report], Outcome]
"""Runs one trial. Raises `UsageError` where the parameters cannot be; the trial then fails."""


@dataclass(frozen=True, slots=True)
class SearchPlan:
    """What is searched, and how.

    `identity` names everything that the trials' scores depend on (data, estimator, versions):
    only a search of the same identity, space and settings is resumed. `seconds` is after how
    long no further trial starts. `rounds` is the most that a trial may run.
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


@dataclass(frozen=True, slots=True)
class Trial:
    """One finished trial; `seconds` is how long it took, and stands in no output of a stage."""

    number: int
    state: State
    params: Params
    score: float | None
    rounds: int | None
    ran: int | None
    seconds: float
    metrics: Mapping[str, float] = field(default_factory=dict)
    reason: str | None = None


@dataclass(frozen=True, slots=True)
class Search:
    """All finished trials in order, `resumed` of which an earlier process had run."""

    trials: Sequence[Trial]
    best: Trial
    resumed: int


class Searcher(Protocol):
    """Runs trials one after another and keeps each in a journal when it is finished.

    A search that is killed at any moment and started again gives, trial by trial, what it would
    have given undisturbed: finished trials are taken over, the one that ran is begun anew.
    """

    def search(
        self, plan: SearchPlan, objective: Objective, folder: Path, *, progress: Progress
    ) -> Search:
        """Run the plan's trials, keeping journals under `folder`.

        Raises `UsageError` where every trial failed, with the last one's reason, and
        `EnvironmentFault` where another process runs this very search.
        """


class Best(msgspec.Struct, frozen=True):
    """The content of `tune/best.json`: what the final fit takes, and how it was found.

    `score` is the main metric on the validation part, `validation` every metric there. Rounds
    are boosting rounds, null for an estimator without them: `rounds` those of the best trial,
    `rounds_run` over all trials, `rounds_saved` those that the pruner spared, `rounds_spared_early`
    those that no gain for 20 rounds spared.
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
