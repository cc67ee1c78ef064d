"""The finish after a search: what the final model is made of, from folds of its own rows."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from functools import partial

import msgspec
import numpy as np

from mlops_cli.bundling.selection import Selecting
from mlops_cli.config.model import Config
from mlops_cli.evaluation.metrics import metrics_of
from mlops_cli.tables.folds import Fold
from mlops_cli.training import open_estimator
from mlops_cli.training.base import Averaging, Problem
from mlops_cli.training.data import Events, draw_of, problem_of
from mlops_cli.training.finish import (
    FOLDS,
    Entrant,
    Finish,
    FoldParts,
    candidates,
    finish,
)
from mlops_cli.tuning.base import Best, Member
from mlops_cli.tuning.oof import OutOfFold

_ROUNDS = 1.5  # of the whole average, as many times more than a trial may have


def finished(
    config: Config, of: Selecting, best: Best, found: Mapping[str, Best]
) -> tuple[Best, OutOfFold | None]:
    """`best` with the members of the final model, and what they say of rows they had not seen.

    `found` has the best of each estimator that was searched, by its name. `best` as it was, and
    None, where there is no finish: `tune.finish` is off, the space is the user's own, the
    estimator's models cannot be averaged, the table is too large or too small, or a fold lacks a
    class. Raises `UsageError` where the library refuses the parameters.
    """
    if not config.tune.finish or config.tune.space is not None:
        return best, None
    events, rows = of.events, len(of.events.split.fitted)
    whole = problem_of(config, events, events.features(events.split.fitted))
    problem = of.narrowed(whole, events.split.fitted)
    most = int(_ROUNDS * config.tune.rounds)
    tries = candidates(_entrants(problem, found), problem, rows, most)
    if not tries:
        return best, None
    folds = events.folds(draw_of(config), FOLDS)
    if not all(_holds_every_class(events, problem, fold) for fold in folds):
        return best, None
    names = [name for name in found if any(one.name == name for one in tries)]
    parts = [partial(_parts, of, whole, names, fold) for fold in folds]
    made = finish(problem, tries, parts, most=most)
    return _with_members(config, best, made, events, folds)


def _entrants(problem: Problem, found: Mapping[str, Best]) -> list[Entrant]:
    return [
        Entrant(name, estimator, found[name].params, found[name].rounds or 1)
        for name, estimator in _averaging(problem, found).items()
    ]


def _averaging(problem: Problem, names: Iterable[str]) -> dict[str, Averaging]:
    """Those of the estimators whose models can be averaged."""
    opened = {name: open_estimator(name, problem) for name in names}
    return {name: one for name, one in opened.items() if isinstance(one, Averaging)}


def _parts(of: Selecting, whole: Problem, names: Sequence[str], fold: Fold) -> FoldParts:
    """The fold with the features that its own training part chooses."""
    problem = of.narrowed(whole, fold.train)
    train, validation = (of.events.part(problem.features, r) for r in (fold.train, fold.validation))
    return FoldParts(train, validation, _averaging(problem, names))


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
