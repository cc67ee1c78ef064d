"""Which features a model was given, and which were left out: as reports and files tell it."""

from __future__ import annotations

import msgspec


class Dropped(msgspec.Struct, frozen=True):
    """A feature that was left out, and its `score` by the method (see `Selection`)."""

    name: str
    score: float


class Size(msgspec.Struct, frozen=True):
    """What a row of a fold costs on average with so many `features`, beyond the size that is best.

    `loss` is log loss or squared error, and `error` its standard error, of paired rows.
    """

    features: int
    loss: float
    error: float


class Selection(msgspec.Struct, frozen=True):
    """Features that were chosen on the fitted rows, the hold-out apart, by `method`.

    `features` are those of the final model, in the order of the table; `searched` those that the
    search's trials had, chosen on the training part alone. `dropped` are the others, best first:
    by `mutual_information` the score is bits of the target beyond chance, by `rfe` the share of the
    importance when the feature was left out, by `shap` the mean size of its contributions. `sizes`
    are those that were tried where the number was not given.
    """

    method: str
    features: tuple[str, ...]
    searched: tuple[str, ...]
    dropped: tuple[Dropped, ...] = ()
    sizes: tuple[Size, ...] = ()
