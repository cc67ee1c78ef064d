"""The finish after a search: what the final model is made of, from folds of its own rows."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial

import msgspec
import numpy as np

from mlops_cli.config.model import Config
from mlops_cli.evaluation.metrics import metrics_of
from mlops_cli.tables.folds import Fold
from mlops_cli.training import open_estimator
from mlops_cli.training.base import Averaging, Part, Problem
from mlops_cli.training.data import Events, draw_of, problem_of
from mlops_cli.training.finish import FOLDS, Entrant, Finish, candidates, finish
from mlops_cli.tuning.base import Best, Member
from mlops_cli.tuning.oof import OutOfFold

_ROUNDS = 1.5  # of the whole average, as many times more than a trial may have


def finished(
    config: Config, events: Events, best: Best, found: Mapping[str, Best]
) -> tuple[Best, OutOfFold | None]:
    """`best` with the members of the final model, and what they say of rows they had not seen.

    `found` has the best of each estimator that was searched, by its name. `best` as it was, and
    None, where there is no finish: `tune.finish` is off, the space is the user's own, the
    estimator's models cannot be averaged, the table is too large or too small, or a fold lacks a
    class. Raises `UsageError` where the library refuses the parameters.
    """
    if not config.tune.finish or config.tune.space is not None:
        return best, None
    rows = len(events.split.fitted)
    problem = problem_of(config, events, events.features(events.split.fitted))
    most = int(_ROUNDS * config.tune.rounds)
    tries = candidates(_entrants(problem, found), problem, rows, most)
    if not tries:
        return best, None
    folds = events.folds(draw_of(config), FOLDS)
    if not all(_holds_every_class(events, problem, fold) for fold in folds):
        return best, None
    parts = [partial(_parts, events, problem, fold) for fold in folds]
    made = finish(problem, tries, parts, most=most)
    return _with_members(config, best, made, events, folds)


def _entrants(problem: Problem, found: Mapping[str, Best]) -> list[Entrant]:
    opened = [(name, open_estimator(name, problem), best) for name, best in found.items()]
    return [
        Entrant(name, estimator, best.params, best.rounds or 1)
        for name, estimator, best in opened
        if isinstance(estimator, Averaging)
    ]


def _parts(events: Events, problem: Problem, fold: Fold) -> tuple[Part, Part]:
    train, validation = (events.part(problem.features, r) for r in (fold.train, fold.validation))
    return train, validation


def _holds_every_class(events: Events, problem: Problem, fold: Fold) -> bool:
    return all(
        len(np.unique(events.target[rows])) >= problem.classes
        for rows in (fold.train, fold.validation)
    )


def _with_members(
    config: Config, best: Best, made: Finish, events: Events, folds: tuple[Fold, ...]
) -> tuple[Best, OutOfFold]:
    positions = np.concatenate([fold.validation for fold in folds])
    alone = np.zeros(len(positions), dtype=np.int64)
    unseen = OutOfFold(events.numbers[positions], made.folds, alone, made.predictions)
    members = [
        Member(fit.estimator, dict(fit.params), fit.rounds, fit.seed, fit.weight)
        for fit in made.fits
    ]
    metrics = metrics_of(config.task, events.target[positions], made.predictions)
    return msgspec.structs.replace(best, members=members, unseen=dict(metrics)), unseen
