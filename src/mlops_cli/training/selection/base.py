"""The port of a method that puts features in order."""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass, replace
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from mlops_cli.training.base import Fitted, Part, Problem


@dataclass(frozen=True, slots=True)
class Ranked:
    """A feature, and what it is worth by the method: only the order of several has a meaning."""

    name: str
    score: float


Fit = Callable[[Problem, Part], Fitted]
"""Fits the project's estimator on rows whose columns are the problem's features."""


class Ranking(Protocol):
    """A method."""

    def __call__(self, problem: Problem, part: Part, fit: Fit) -> list[Ranked]:
        """All features of `problem`, the best first; the same rows give the same.

        Raises `UsageError` where the estimator cannot be asked.
        """


def narrowed(problem: Problem, names: Collection[str]) -> Problem:
    """The problem with these features alone, and the directions that are of them."""
    return replace(
        problem,
        features=tuple(f for f in problem.features if f.name in names),
        monotone={name: sign for name, sign in problem.monotone.items() if name in names},
    )


def thirds(problem: Problem, part: Part) -> tuple[Part, Part]:
    """Two thirds of the part's rows, about, and the others, drawn by the problem's seed."""
    held = np.random.default_rng(problem.seed).random(len(part.target)) < 1 / 3
    return _where(part, ~held), _where(part, held)


def _where(part: Part, rows: NDArray[np.bool_]) -> Part:
    weight = None if part.weight is None else part.weight[rows]
    return Part(part.matrix[rows], part.target[rows], weight)


def columns(problem: Problem, part: Part, names: Collection[str]) -> Part:
    """The part's columns of these features, in the order of `problem`."""
    places = [i for i, f in enumerate(problem.features) if f.name in names]
    return replace(part, matrix=np.ascontiguousarray(part.matrix[:, places]))
