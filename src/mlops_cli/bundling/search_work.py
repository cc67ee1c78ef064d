"""What a search is made of: the problem, the space, and the parts that trials are judged by."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from mlops_cli.bundling.objective import Judging
from mlops_cli.bundling.selection import Selecting
from mlops_cli.config.model import Config
from mlops_cli.cores import cores
from mlops_cli.errors import DataError
from mlops_cli.evaluation.evaluate import check_part
from mlops_cli.tables.folds import Fold
from mlops_cli.training import open_estimator
from mlops_cli.training.base import Estimator, Part, Problem
from mlops_cli.training.data import Events, draw_of, problem_of
from mlops_cli.tuning.base import Space
from mlops_cli.tuning.oof import OutOfFold, to_come
from mlops_cli.tuning.spaces import check_first, space_of


@dataclass(frozen=True, slots=True)
class SearchWork:
    """One estimator's search; `seen_by` are the rows that judge, with predictions to come."""

    problem: Problem
    estimator: Estimator
    space: Space
    train: Part
    validation: Part
    seen_by: OutOfFold
    judging: Sequence[Judging]


def search_work(config: Config, of: Selecting) -> SearchWork:
    """The search that the configuration asks for.

    Raises `DataError` where a part or a fold cannot be judged, `UsageError` for a space, a
    direction or an estimator that cannot be.
    """
    events, parts, train = of.events, of.events.split, config.train
    whole = replace(
        problem_of(config, events, events.features(parts.train)), threads=_threads(config)
    )
    for name, rows in (("validation", parts.validation), ("hold-out", parts.holdout)):
        check_part(whole.question, events.target[rows], name)
    space = space_of(train.estimator, config.tune.space, train.params)
    check_first(config.tune.first, space)
    made = _folds(config, events, whole)
    problem = of.narrowed(whole, parts.train)
    estimator = open_estimator(train.estimator, problem)
    learned, validation = (
        events.part(problem.features, r) for r in (parts.train, parts.validation)
    )
    judged = [fold.validation for fold in made] or [parts.validation]
    return SearchWork(
        problem=problem,
        estimator=estimator,
        space=space,
        train=learned,
        validation=validation,
        seen_by=to_come([events.numbers[rows] for rows in judged]),
        judging=[*_judging(config, of, whole, made)] or [Judging(estimator, learned, validation)],
    )


def _folds(config: Config, events: Events, problem: Problem) -> tuple[Fold, ...]:
    """The folds that judge, if any; raises `DataError` where one cannot be judged."""
    if config.split.folds is None:
        return ()
    made = events.folds(draw_of(config), config.split.folds, repeats=config.split.repeats)
    for number, fold in enumerate(made, 1):
        check_part(problem.question, events.target[fold.validation], f"fold {number}")
        label = events.unlearned(fold)
        if label is not None:
            raise DataError(
                f"fold {number} of {len(made)} has no row of class {label!r} to learn from",
                hint="give split.folds a smaller number, bring more rows of it, or leave it out",
            )
    return made


def _judging(
    config: Config, of: Selecting, whole: Problem, folds: Sequence[Fold]
) -> Iterator[Judging]:
    """What each fold is fitted on, and judged by, with the features that its own rows choose."""
    for fold in folds:
        problem = of.narrowed(whole, fold.train)
        parts = (of.events.part(problem.features, r) for r in (fold.train, fold.validation))
        yield Judging(open_estimator(config.train.estimator, problem), *parts)


def _threads(config: Config) -> int:
    """The threads of a trial: one, or by a given number of workers its share of the cores.

    One where other machines take part, which may have other cores.
    """
    if config.tune.workers == "auto" or config.tune.storage is not None:
        return 1
    return max(1, cores() // config.tune.workers)
