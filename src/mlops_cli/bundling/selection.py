"""`train.select`: features chosen by the rows that a fit may see, for each fit anew."""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from functools import partial

import numpy as np
from numpy.typing import NDArray

from mlops_cli.config.model import Config
from mlops_cli.config.sections.train import AUTO
from mlops_cli.cores import cores
from mlops_cli.errors import DataError, UsageError
from mlops_cli.evaluation.judged import Judged
from mlops_cli.evaluation.selection import Dropped, Selection, Size
from mlops_cli.tables.folds import Fold, folds
from mlops_cli.tables.split import Rows
from mlops_cli.training import open_estimator, standing_ready
from mlops_cli.training.base import Estimator, Fitted, Part, Problem, Tried
from mlops_cli.training.data import Events, draw_of, problem_of
from mlops_cli.training.selection import open_ranking
from mlops_cli.training.selection.base import Ranked, columns, narrowed, thirds

FOLDS = 5
MOST_ROWS = 20_000  # that features are ranked by, and sizes judged by
_NEXT = 0.75  # of a size: the next smaller one
_KEEPS = "give train.select.keep a number, or leave out train.select"
Losses = NDArray[np.float64]


@dataclass(slots=True)
class Selecting:
    """The features of each fit, by nothing but the rows that the fit may see.

    `keep` is how many stay, None where nothing is selected; `sizes` are those that were tried.
    """

    config: Config
    events: Events
    keep: int | None = None
    sizes: tuple[Size, ...] = ()
    _found: dict[bytes, list[Ranked]] = field(default_factory=dict)

    def narrowed(self, problem: Problem, rows: Rows) -> Problem:
        """`problem` with the features that are chosen for a fit on `rows`, as these order them."""
        if self.events.ordered:
            problem = replace(problem, features=self.events.features(rows))
        if self.keep is None:
            return problem
        return narrowed(problem, self._names(self._ranked(rows)))

    def selection(self) -> Selection | None:
        """What was chosen for the final model, and for the search; None where nothing was."""
        section, split = self.config.train.select, self.events.split
        if section is None or self.keep is None:
            return None
        found = self._ranked(split.fitted)
        searched = self._names(self._ranked(split.train))
        return Selection(
            section.method,
            self._in_order(self._names(found)),
            self._in_order(searched),
            tuple(Dropped(one.name, one.score) for one in found[self.keep :]),
            self.sizes,
        )

    def _names(self, ranked: Sequence[Ranked]) -> frozenset[str]:
        return frozenset(one.name for one in ranked[: self.keep])

    def _in_order(self, names: Collection[str]) -> tuple[str, ...]:
        return tuple(f.name for f in self.events.plan.features if f.name in names)

    def _ranked(self, rows: Rows) -> list[Ranked]:
        known = hashlib.sha256(rows.tobytes()).digest()
        if known not in self._found:
            problem = _problem(self.config, self.events, rows)
            part = self.events.part(problem.features, some_rows(rows, problem.seed))
            self._found[known] = _ranked(self.config, problem, part)
        return self._found[known]


def selecting_of(config: Config, events: Events) -> Selecting:
    """How many features stay: as asked, or as few as lose nothing that folds could tell.

    The folds are of the training part alone, and in each the features are chosen by its own rows.
    Of the sizes, each three quarters of the one before, it is the smallest whose loss is within a
    standard error, of paired rows, of the best one's. Raises `UsageError` where more are to stay
    than there are, `DataError` where the training part is too small for folds.
    """
    section, count = config.train.select, len(events.plan.features)
    if section is None:
        return Selecting(config, events)
    if section.keep != "auto":
        if section.keep > count:
            raise UsageError(
                f"mlops.yaml: train.select.keep is {section.keep}, and there are {count} features",
                hint="give it fewer, or auto",
            )
        return Selecting(config, events, section.keep)
    sizes = _sizes(count)
    losses = _losses(config, events, sizes)
    best = losses.mean(axis=1).argmin()
    apart = losses - losses[best]
    errors = apart.std(axis=1, ddof=1) / np.sqrt(apart.shape[1])
    within = apart.mean(axis=1) <= errors
    found = tuple(map(Size, sizes, apart.mean(axis=1).tolist(), errors.tolist()))
    return Selecting(config, events, sizes[int(np.flatnonzero(within)[-1])], found)


def _sizes(count: int) -> list[int]:
    """All, and ever fewer, down to one."""
    found = [count]
    while found[-1] > 1:
        found.append(min(found[-1] - 1, round(found[-1] * _NEXT)))
    return found


def _losses(config: Config, events: Events, sizes: Sequence[int]) -> Losses:
    """What each row of the folds' validation parts costs by each size, shape (sizes, n)."""
    rows = some_rows(events.split.train, config.train.seed)
    made = judging_folds(config, events, rows, asks="train.select", hint=_KEEPS)
    work = partial(_fold_losses, config, events, sizes)
    if not opened(config, _problem(config, events, rows)).has_rounds:
        return np.concatenate([work(fold) for fold in made], axis=1)
    with ThreadPoolExecutor(cores()) as pool:
        return np.concatenate(list(pool.map(work, made)), axis=1)


def judging_folds(
    config: Config, events: Events, rows: Rows, *, asks: str, hint: str
) -> tuple[Fold, ...]:
    """`FOLDS` folds of the rows, of which each learns from every class.

    Raises `DataError` that says what `asks` for them, where there are too few rows.
    """
    try:
        made = folds(draw_of(config), events.keys, rows, FOLDS)
    except DataError as e:
        raise DataError(f"{asks}: {e.message}", hint=hint) from e
    if any(events.unlearned(fold) is not None for fold in made):
        raise DataError(f"{asks}: a fold has no row of a class to learn from", hint=hint)
    return made


def _fold_losses(config: Config, events: Events, sizes: Sequence[int], fold: Fold) -> Losses:
    problem = _problem(config, events, fold.train)
    train, held = (events.part(problem.features, r) for r in (fold.train, fold.validation))
    ranked, found = _ranked(config, problem, train), []
    for size in sizes:
        names = {one.name for one in ranked[:size]}
        parts = (columns(problem, part, names) for part in (train, held))
        found.append(losses_of(config, events, narrowed(problem, names), *parts))
    return np.array(found)


def losses_of(config: Config, events: Events, problem: Problem, train: Part, held: Part) -> Losses:
    """What each row of `held` costs by a fit on `train` with no parameters set, shape (n,)."""
    said = _tried(config, problem, train, held).predict()
    return Judged(problem.question, events.plan.classes, held.target, said).losses


def _tried(config: Config, problem: Problem, train: Part, held: Part) -> Tried:
    """A fit with no parameters set; it goes by the loss, and `held` may lack a class."""
    by_loss = replace(problem, metric="rmse" if problem.task == "regression" else "log_loss")
    trial = opened(config, by_loss).trials(train, held).start({})
    return trial.advance(config.tune.rounds, lambda: None)


def _ranked(config: Config, problem: Problem, part: Part) -> list[Ranked]:
    section = config.train.select
    if section is None:
        return []

    rounds = _rounds(config, problem, part)

    def fit(asked: Problem, rows: Part) -> Fitted:
        return opened(config, asked).fit(rows, {}, rounds)

    return open_ranking(section.method)(problem, part, fit)


def _rounds(config: Config, problem: Problem, part: Part) -> int | None:
    """How many the estimator gains by on a third of the rows; without that, noise is used most."""
    if not opened(config, problem).has_rounds:
        return None
    return _tried(config, problem, *thirds(problem, part)).rounds


def _problem(config: Config, events: Events, rows: Rows) -> Problem:
    # One thread: the same features on every machine, however many cores it has.
    return replace(problem_of(config, events, events.features(rows)), threads=1)


def opened(config: Config, problem: Problem) -> Estimator:
    """The project's estimator; of `auto` the first of its libraries."""
    name = config.train.estimator
    return open_estimator(standing_ready()[0] if name == AUTO else name, problem)


def some_rows(rows: Rows, seed: int) -> Rows:
    """At most `MOST_ROWS` of the rows, drawn, ascending."""
    if len(rows) <= MOST_ROWS:
        return rows
    return np.sort(np.random.default_rng(seed).choice(rows, MOST_ROWS, replace=False))
