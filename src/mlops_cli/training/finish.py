"""From found parameters to a final model: rounds and weights from folds, for tables small enough.

A search judges by one validation part and few rounds. Here the found parameters and those of a
portfolio are fitted with a small step on every fold; what each says of the rows that it has not
seen decides how many rounds it gets, and how much it weighs in the average of all.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from threading import Event

import numpy as np
from numpy.typing import NDArray

from mlops_cli.cores import cores
from mlops_cli.training.base import Averaging, Fit, Params, Part, Problem
from mlops_cli.training.greedy import greedy_weights, margins_of, predictions_of
from mlops_cli.training.portfolio import PORTFOLIO

FOLDS = 5
MOST_CELLS = 1_800_000  # that go through the folds, over all parameters that are tried
_ROWS_OF_A_TREE = 3000  # as many more rows are what growing a tree costs of itself
LEAST_ROWS = 800  # below, weights from folds are luck
ETA = 0.05  # the least step
_PATIENCE = 40  # rounds without gain, of so small a step
_FITS = 2  # that an average has room for at the least, by the step that it begins with
_MORE_ROWS = 1.1  # rounds of a fit on all rows against those of a fold's, which lacks a fifth
_LEAST_FITS = 4  # fewer are fitted again with other seeds, as far as there is room
_OWN_STEP = 0.3  # of parameters that name none: XGBoost's default

Array = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Finish:
    """What the final model is an average of, and what such an average says of unseen rows.

    `predictions` are as `Fitted.predict` gives them, `folds` the fold that each is of; both are of
    the folds' validation rows, one fold after the other.
    """

    fits: Sequence[Fit]
    predictions: Array
    folds: NDArray[np.int64]


def step_of(found: Params, rounds: int, most: int) -> float:
    """The step by which models of `most` rounds together can be averaged, at least `ETA`.

    `found` wanted `rounds` of its own step, and wants about as many times more of a smaller one.
    """
    own = float(found.get("eta", _OWN_STEP))
    return min(own, max(ETA, own * rounds * _FITS / most))


def candidates(problem: Problem, rows: int, found: Params, *, step: float = ETA) -> list[Params]:
    """The parameters that go through the folds, `found` first; none where it does not pay.

    How many there are follows from the size of the table alone: rows times features times classes.
    What `train.params` fixes is in none of them.
    """
    trees = problem.classes if problem.task == "multiclass" else 1
    cells = (rows + _ROWS_OF_A_TREE) * len(problem.features) * trees
    count = min(1 + len(PORTFOLIO), MOST_CELLS // max(1, cells))
    if rows < LEAST_ROWS or count == 0:
        return []
    made = [found, *({**found, **each} for each in PORTFOLIO)][:count]
    return [
        {k: v for k, v in {**each, "eta": step}.items() if k not in problem.fixed} for each in made
    ]


def finish(
    estimator: Averaging,
    problem: Problem,
    tries: Sequence[Params],
    folds: Sequence[Callable[[], tuple[Part, Part]]],
    *,
    most: int,
) -> Finish:
    """Fit each of `tries` on each fold, and weigh them.

    The fits of the average have at most `most` rounds together: an answer takes time by them. A
    fold is asked for its training and validation part when its turn comes. The same fits come
    out whatever number of threads there is.
    """
    rounds = int(most / _MORE_ROWS)
    seen = [_fold(estimator, tries, fold, rounds) for fold in folds]
    target = np.concatenate([fold.target for fold in seen])
    said = [np.concatenate([fold.said[i] for fold in seen]) for i in range(len(tries))]
    margins = [margins_of(problem.task, each) for each in said]
    wanted = _MORE_ROWS * np.mean([fold.rounds for fold in seen], axis=0)
    costs = np.clip(np.floor(wanted), 1, most)
    weights = greedy_weights(problem.task, target, margins, costs=costs.tolist(), most=most)
    chosen = np.flatnonzero(weights).tolist()
    room = int(most // costs[chosen].sum())
    again = max(1, min(-(-_LEAST_FITS // len(chosen)), room))
    fits = [
        Fit(
            tries[i],
            int(costs[i]),
            problem.seed + seed,
            float(weights[i]) / again,
        )
        for i in chosen
        for seed in range(again)
    ]
    mean = np.sum([weights[i] * margins[i] for i in chosen], axis=0)
    parts = np.repeat(np.arange(len(seen)), [len(fold.target) for fold in seen])
    return Finish(fits, predictions_of(problem.task, mean), parts)


@dataclass(frozen=True, slots=True)
class _Seen:
    """One fold: by each of the tries, the rounds that gained, and predictions of its rows."""

    target: Array
    rounds: Sequence[int]
    said: Sequence[Array]


def _fold(
    estimator: Averaging,
    tries: Sequence[Params],
    fold: Callable[[], tuple[Part, Part]],
    rounds: int,
) -> _Seen:
    train, validation = fold()
    trials = estimator.patient_trials(train, validation, _PATIENCE)
    stopped = Event()

    def check() -> None:
        if stopped.is_set():
            raise InterruptedError

    def one(params: Params) -> tuple[int, Array]:
        tried = trials.start(params).advance(rounds, check)
        return tried.rounds or 1, tried.predict()

    with ThreadPoolExecutor(cores()) as pool:
        try:
            found = list(pool.map(one, tries))
        except BaseException:
            stopped.set()  # or Ctrl-C would wait for all of them
            pool.shutdown(cancel_futures=True)
            raise
    return _Seen(validation.target, [r for r, _ in found], [said for _, said in found])
