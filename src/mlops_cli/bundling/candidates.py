"""Candidates for features, judged beside a model by rows that it had not seen."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from mlops_cli.bundling.selection import judging_folds, losses_of, opened, some_rows
from mlops_cli.config.model import Config
from mlops_cli.cores import cores
from mlops_cli.evaluation.slices import surely
from mlops_cli.evaluation.worth import Worth, worth_of
from mlops_cli.features.candidates import Candidate
from mlops_cli.tables.folds import Fold
from mlops_cli.tables.split import Rows
from mlops_cli.training.base import Problem
from mlops_cli.training.data import Events, problem_of
from mlops_cli.training.selection import open_ranking
from mlops_cli.training.selection.base import narrowed

MOST_TRIED = 8  # of the candidates, each with a fit for each fold
_MORE = "bring more rows: candidates are judged on folds of the training part"
Array = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Found:
    """A candidate by which rows that were not seen surely cost less, and how much."""

    candidate: Candidate
    worth: Worth


@dataclass(frozen=True, slots=True)
class Trying:
    """Fits by the project's estimator, with and without candidates; `events` have them all.

    Candidates are found on the training part, by folds, and proved on the validation part; the
    hold-out is not looked at.
    """

    config: Config
    events: Events
    own: Collection[str]
    problem: Problem

    def found(self, every: Sequence[Candidate]) -> list[Found]:
        """Those that are no chance among so many (Holm), the best first.

        A booster that has them all says which move it most; each of the first `MOST_TRIED`, of the
        same columns one, is then fitted beside the model's own features on folds. Raises
        `DataError` where the training part is too small for folds.
        """
        rows = self._some(self.events.split.train)
        made = judging_folds(self.config, self.events, rows, asks="suggest", hint=_MORE)
        first = self._first(every, rows)
        with ThreadPoolExecutor(cores() if self._has_rounds(rows) else 1) as pool:
            names = [set(self.own), *({*self.own, c.name} for c in first)]
            without, *beside = pool.map(lambda chosen: self._in_folds(chosen, made), names)
        worths = {
            c.name: worth_of(without - losses) for c, losses in zip(first, beside, strict=True)
        }
        kept = surely({c.name: 1.0 for c in every} | {n: w.chance for n, w in worths.items()})
        found = [Found(c, worths[c.name]) for c in first if c.name in kept]
        return sorted(found, key=lambda one: -one.worth.value)

    def proved(self, found: Sequence[Found]) -> Worth:
        """What a row of the validation part costs less where the model has them all."""
        names = {f.candidate.name for f in found}
        train, held = (
            self._some(r) for r in (self.events.split.train, self.events.split.validation)
        )
        without, beside = (
            self._losses(chosen, train, held) for chosen in ({*self.own}, {*self.own, *names})
        )
        return worth_of(without - beside)

    def _first(self, every: Sequence[Candidate], rows: Rows) -> list[Candidate]:
        known = {c.name: c for c in every}
        problem = self._problem({*self.own, *known}, rows)
        part = self.events.part(problem.features, rows)
        order = open_ranking("shap")(
            problem, part, lambda asked, some: opened(self.config, asked).fit(some, {}, None)
        )
        moving = [known[one.name] for one in order if one.name in known]
        of = {c.of: c for c in reversed(moving)}
        return [c for c in moving if of[c.of] is c][:MOST_TRIED]

    def _in_folds(self, names: set[str], made: Sequence[Fold]) -> Array:
        """What each row of the folds' validation parts costs, shape (n,)."""
        return np.concatenate([self._losses(names, fold.train, fold.validation) for fold in made])

    def _has_rounds(self, rows: Rows) -> bool:
        return opened(self.config, self._problem(set(self.own), rows)).has_rounds

    def _losses(self, names: set[str], train: Rows, held: Rows) -> Array:
        problem = self._problem(names, train)
        parts = (self.events.part(problem.features, rows) for rows in (train, held))
        return losses_of(self.config, self.events, problem, *parts)

    def _problem(self, names: set[str], rows: Rows) -> Problem:
        whole = problem_of(self.config, self.events, self.events.features(rows))
        return narrowed(replace(whole, root=self.problem.root, threads=1), names)

    def _some(self, rows: Rows) -> Rows:
        return some_rows(rows, self.config.train.seed)
