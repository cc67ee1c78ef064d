"""What a bundle is made of: the rows, what was found for them, and the library that learns."""

from __future__ import annotations

from dataclasses import dataclass

from mlops_cli.training.base import Estimator, Problem
from mlops_cli.training.before import Before
from mlops_cli.training.data import Events
from mlops_cli.tuning.base import Best


@dataclass(frozen=True, slots=True)
class Work:
    """One fit: its rows, the found parameters, the problem, and what it may go on from.

    `events` have the model's own features alone, `whole` all that `featurize` made.
    """

    events: Events
    whole: Events
    best: Best
    problem: Problem
    estimator: Estimator
    before: Before | None = None
