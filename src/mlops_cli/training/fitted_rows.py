"""Which hold-out rows a model was not fitted on, though the table has changed since."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

import msgspec
import numpy as np

from mlops_cli.bundle.manifest import PROVENANCE
from mlops_cli.bundle.reader import Bundle
from mlops_cli.config.model import Config
from mlops_cli.errors import DataError
from mlops_cli.tables.split import By, Draw, Rows, split

if TYPE_CHECKING:
    from mlops_cli.training.data import Events


class FittedRows(msgspec.Struct, frozen=True):
    """Which rows a model was fitted on, without a list of them: how they were drawn, from what.

    `rows` is one more than the last row's number in the source; `digest` (64 hex digits) is of
    number, target and time of them all. It stands in the bundle's `provenance.json`.
    """

    by: By
    validation: float
    holdout: float
    seed: int
    rows: int
    digest: str

    @property
    def draw(self) -> Draw:
        """How they were drawn."""
        return Draw(self.by, self.validation, self.holdout, self.seed)


def fitted_rows(events: Events, config: Config) -> FittedRows:
    """What a model that is fitted on `events` now is fitted on."""
    return FittedRows(
        by=config.split_by,
        validation=config.split.validation,
        holdout=config.split.holdout,
        seed=config.train.seed,
        rows=int(events.numbers.max()) + 1,
        digest=_digest(events, np.arange(len(events.numbers))),
    )


def unseen_by(bundle: Bundle, events: Events, config: Config) -> Rows | None:
    """The hold-out rows that the bundle's model was not fitted on; None where nobody can know.

    By time, the hold-out is what came last: a model from before has not seen it, even where the
    table's older rows were thinned out since.
    """
    known = _fitted_on(bundle)
    rows = unseen(events, known) if known else None
    by_time = config.split_by == "time" and (known is None or known.by == "time")
    return events.split.holdout if rows is None and by_time else rows


def _fitted_on(bundle: Bundle) -> FittedRows | None:
    try:
        said = msgspec.json.decode((bundle.path / PROVENANCE).read_bytes())
        return msgspec.convert(said["fitted"], FittedRows)
    except (OSError, msgspec.MsgspecError, LookupError, TypeError):  # or a release without it
        return None


def unseen(events: Events, known: FittedRows) -> Rows | None:
    """The hold-out rows of `events`, as ascending positions, that `known` does not hold.

    None where that cannot be known: of the rows that were there, some are gone or are others.
    """
    older = np.flatnonzero(events.numbers < known.rows)
    if not len(older) or _digest(events, older) != known.digest:
        return None
    try:
        parts = split(known.draw, events.keys.at(older))
    except DataError:  # shares of another table's provenance
        return None
    return np.setdiff1d(events.split.holdout, older[parts.fitted], assume_unique=True)


def _digest(events: Events, rows: Rows) -> str:
    digest = hashlib.sha256(events.numbers[rows].tobytes())
    digest.update(events.target[rows].tobytes())
    if events.moments is not None:
        digest.update(events.moments[rows].tobytes())
    return digest.hexdigest()
