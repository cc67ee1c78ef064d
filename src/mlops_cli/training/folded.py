"""Trials that several folds judge: each is fitted on every fold, and worth the mean."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from mlops_cli.training.base import Check, Params, TrialFit, Trials, Tried

FEWEST = 2  # folds that a trial is looked at with first


@dataclass(frozen=True, slots=True)
class FoldedTrials:
    """`Trials` of as many folds as `folds` has, of which each has its matrices made ready once.

    `rounds` is the most that a trial may run.
    """

    folds: Sequence[Trials]
    rounds: int

    def start(self, params: Params) -> FoldedTrialFit:
        """See `Trials.start`."""
        return FoldedTrialFit([trials.start(params) for trials in self.folds], self.rounds)


class FoldedTrialFit:
    """`TrialFit` of one trial on its folds.

    The further it has come, the more folds it is fitted on: in the same share as its rounds, and
    on all where none is left to run. So a trial that is stopped early has cost few folds, too; and
    those that are compared were fitted on the same.
    """

    def __init__(self, fits: Sequence[TrialFit], rounds: int) -> None:
        self._fits = fits
        self._rounds = rounds

    def advance(self, rounds: int, check: Check) -> Tried:
        """See `TrialFit.advance`; `predict` has the folds' predictions one after another."""
        share = math.ceil(len(self._fits) * min(1.0, rounds / self._rounds))
        count = min(len(self._fits), max(FEWEST, share))
        tried = [fit.advance(rounds, check) for fit in self._fits[:count]]
        scores = [one.score for one in tried]
        ended = count == len(self._fits) and all(one.ended for one in tried)
        return replace(
            tried[0],
            score=float(np.mean(scores)),
            rounds=_mean([one.rounds for one in tried]),
            ran=_mean([one.ran for one in tried]),
            ended=ended,
            predict=lambda: _together(tried),
        )


def _mean(counts: Sequence[int | None]) -> int | None:
    known = [count for count in counts if count is not None]
    return max(1, round(float(np.mean(known)))) if known else None


def _together(tried: Sequence[Tried]) -> NDArray[np.float64]:
    return np.concatenate([one.predict() for one in tried])
