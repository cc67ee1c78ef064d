"""From found parameters to a final model: rounds and weights from folds, for tables small enough.

A search judges by one validation part and few rounds. Here the found parameters and those of a
portfolio are fitted with a small step on every fold; what each says of the rows that it has not
seen decides how many rounds it gets, and how much it weighs in the average of all.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from itertools import chain, zip_longest
from threading import Event

import numpy as np
from numpy.typing import NDArray

from mlops_cli.cores import cores
from mlops_cli.training.base import Averaging, Fit, Params, Part, Problem
from mlops_cli.training.choice import Unseen, chosen
from mlops_cli.training.greedy import margins_of, predictions_of

FOLDS = 5
MOST_CELLS = 1_800_000  # that go through the folds, over all parameters that are tried
_ROWS_OF_A_TREE = 3000  # as many more rows are what growing a tree costs of itself
LEAST_ROWS = 800  # below, weights from folds are luck
ETA = 0.05  # the least step
_PATIENCE = 40  # rounds without gain, of so small a step
_FITS = 2  # that an average has room for at the least, by the step that it begins with
_MORE_ROWS = 1.1  # rounds of a fit on all rows against those of a fold's, which lacks a fifth
_LEAST_FITS = 4  # fewer are fitted again with other seeds, as far as there is room

Array = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Entrant:
    """An estimator, by its name in `train.estimator`, with what a search found for it."""

    name: str
    estimator: Averaging
    found: Params
    rounds: int


@dataclass(frozen=True, slots=True)
class Try:
    """Parameters that go through the folds, and whose they are."""

    name: str
    estimator: Averaging
    params: Params


@dataclass(frozen=True, slots=True)
class FoldParts:
    """A fold's training and validation part, and the estimators of their features by name.

    Without any, the estimators are those of the tries.
    """

    train: Part
    validation: Part
    estimators: Mapping[str, Averaging] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Finish:
    """What the final model is an average of, and what such an average says of unseen rows.

    `predictions` are as `Fitted.predict` gives them, `folds` the fold that each is of; both are of
    the folds' validation rows, one fold after the other.
    """

    fits: Sequence[Fit]
    predictions: Array
    folds: NDArray[np.int64]


def step_of(entrant: Entrant, most: int) -> float:
    """The step by which models of `most` rounds together can be averaged, at least `ETA`.

    What was found wanted its rounds of its own step, and wants about as many times more of a
    smaller one.
    """
    own = float(entrant.found.get(entrant.estimator.step, entrant.estimator.own_step))
    return min(own, max(ETA, own * entrant.rounds * _FITS / most))


def candidates(entrants: Sequence[Entrant], problem: Problem, rows: int, most: int) -> list[Try]:
    """What goes through the folds, found parameters first; none where it does not pay.

    How many there are follows from the size of the table alone: rows times features times classes.
    What `train.params` fixes is in none of them.
    """
    trees = problem.classes if problem.task == "multiclass" else 1
    cells = (rows + _ROWS_OF_A_TREE) * len(problem.features) * trees
    count = MOST_CELLS // max(1, cells)
    if rows < LEAST_ROWS or count == 0:
        return []
    lists = [list(_tries(entrant, problem, step_of(entrant, most))) for entrant in entrants]
    in_turn = [one for one in chain(*zip_longest(*lists)) if one is not None]
    return in_turn[:count]


def _tries(entrant: Entrant, problem: Problem, step: float) -> Sequence[Try]:
    estimator, found = entrant.estimator, entrant.found
    made = [found, *({**found, **each} for each in estimator.portfolio)]
    return [
        Try(
            entrant.name,
            estimator,
            {k: v for k, v in {**each, estimator.step: step}.items() if k not in problem.fixed},
        )
        for each in made
    ]


def finish(
    problem: Problem,
    tries: Sequence[Try],
    folds: Sequence[Callable[[], FoldParts]],
    *,
    most: int,
) -> Finish:
    """Fit each of `tries` on each fold, and weigh them.

    The fits of the average have at most `most` rounds together: an answer takes time by them. Of
    several estimators the average is of one alone, unless that of all is surely better. A fold is
    asked for its parts when its turn comes. The same fits come out whatever
    number of threads there is.
    """
    rounds = int(most / _MORE_ROWS)
    seen = [_fold(tries, fold, rounds) for fold in folds]
    unseen = _unseen(problem, seen, most)
    weights = chosen(unseen, [one.name for one in tries])
    taken = np.flatnonzero(weights).tolist()
    room = int(most // unseen.costs[taken].sum())
    again = max(1, min(-(-_LEAST_FITS // len(taken)), room))
    fits = [
        Fit(
            tries[i].params,
            int(unseen.costs[i]),
            problem.seed + seed,
            float(weights[i]) / again,
            tries[i].name,
        )
        for i in taken
        for seed in range(again)
    ]
    predictions = predictions_of(problem.task, unseen.average(weights))
    return Finish(fits, predictions, unseen.folds)


@dataclass(frozen=True, slots=True)
class _Seen:
    """One fold: by each of the tries, the rounds that gained, and predictions of its rows."""

    part: Part
    rounds: Sequence[int]
    said: Sequence[Array]


def _unseen(problem: Problem, seen: Sequence[_Seen], most: int) -> Unseen:
    said = [np.concatenate([fold.said[i] for fold in seen]) for i in range(len(seen[0].said))]
    wanted = _MORE_ROWS * np.mean([fold.rounds for fold in seen], axis=0)
    rows = [fold.part.weight for fold in seen if fold.part.weight is not None]
    return Unseen(
        task=problem.task,
        target=np.concatenate([fold.part.target for fold in seen]),
        margins=[margins_of(problem.task, each) for each in said],
        folds=np.repeat(np.arange(len(seen)), [len(fold.part.target) for fold in seen]),
        costs=np.clip(np.floor(wanted), 1, most),
        most=most,
        rows=np.concatenate(rows) if rows else None,
    )


def _fold(tries: Sequence[Try], fold: Callable[[], FoldParts], rounds: int) -> _Seen:
    parts = fold()
    estimators = {one.name: one.estimator for one in tries} | dict(parts.estimators)
    ready = {
        name: estimator.patient_trials(parts.train, parts.validation, _PATIENCE)
        for name, estimator in estimators.items()
    }
    stopped = Event()

    def check() -> None:
        if stopped.is_set():
            raise InterruptedError

    def one(tried: Try) -> tuple[int, Array]:
        found = ready[tried.name].start(tried.params).advance(rounds, check)
        return found.rounds or 1, found.predict()

    with ThreadPoolExecutor(cores()) as pool:
        try:
            found = list(pool.map(one, tries))
        except BaseException:
            stopped.set()  # or Ctrl-C would wait for all of them
            pool.shutdown(cancel_futures=True)
            raise
    return _Seen(parts.validation, [r for r, _ in found], [said for _, said in found])
