"""Which hold-out rows a model was not fitted on, though the table has changed since."""

from __future__ import annotations

import hashlib
from dataclasses import replace

import msgspec
import numpy as np

from mlops_cli.bundle.manifest import PROVENANCE
from mlops_cli.bundle.reader import Bundle
from mlops_cli.config.model import Config
from mlops_cli.errors import DataError
from mlops_cli.tables.split import By, Draw, Keys, Rows, first_rows, split
from mlops_cli.training.data import Events, draw_of


class FittedRows(msgspec.Struct, frozen=True):
    """Which rows a model was fitted on, without a list of them: how they were drawn, from what.

    `rows` is one more than the last row's number in the source; `digest` (64 hex digits) is of
    number, target, time and group of them all. `gap` is in microseconds, `key` the columns that
    name a group. With `everything` all rows were fitted, the hold-out's, too. It stands in the
    bundle's `provenance.json`.
    """

    by: By
    validation: float
    holdout: float
    seed: int
    rows: int
    digest: str
    gap: int = 0
    key: tuple[str, ...] = ()
    everything: bool = False

    @property
    def draw(self) -> Draw:
        """How they were drawn."""
        return Draw(self.by, self.validation, self.holdout, self.seed, self.gap)


def fitted_rows(events: Events, config: Config, *, everything: bool = False) -> FittedRows:
    """What a model that is fitted on `events` now is fitted on; the hold-out with `everything`."""
    draw = draw_of(config)
    return FittedRows(
        by=draw.by,
        validation=draw.validation,
        holdout=draw.holdout,
        seed=draw.seed,
        rows=int(events.numbers.max()) + 1,
        digest=_digest(events.keys),
        gap=draw.gap,
        key=config.split.key,
        everything=everything,
    )


def unseen_by(bundle: Bundle, events: Events, config: Config) -> Rows | None:
    """The hold-out rows that the bundle's model was not fitted on; None where nobody can know.

    By time, the hold-out is what came last: a model from before has not seen it, even where the
    table's older rows were thinned out since.
    """
    known = _fitted_on(bundle)
    rows = unseen(events, known) if known else None
    by_time = config.split_by == "time" and (known is None or known.by == "time")
    by_time = by_time and not (known and known.everything)
    return events.split.holdout if rows is None and by_time else rows


def _fitted_on(bundle: Bundle) -> FittedRows | None:
    try:
        said = msgspec.json.decode((bundle.path / PROVENANCE).read_bytes())
        return msgspec.convert(said["fitted"], FittedRows)
    except (OSError, msgspec.MsgspecError, LookupError, TypeError):  # or a release without it
        return None


def unseen(events: Events, known: FittedRows) -> Rows | None:
    """The hold-out rows of `events`, as ascending positions, that `known` does not hold.

    None where that cannot be known: of the rows that were there, some are gone or are others. By
    groups, be it then or now, `known` has seen all rows of a group of which it has one.
    """
    keys = events.keys
    if known.key:
        if (groups := events.groups_of(known.key)) is None:
            return None
        keys = replace(keys, groups=groups)
    elif known.by != "group":
        keys = replace(keys, groups=None)
    older = np.flatnonzero(events.numbers < known.rows)
    if not len(older) or _digest(keys.at(older)) != known.digest:
        return None
    try:
        parts = split(known.draw, keys.at(older))
    except DataError:  # shares of another table's provenance
        return None
    fitted = older if known.everything else older[parts.fitted]
    held = np.setdiff1d(events.split.holdout, fitted, assume_unique=True)
    for groups in (events.groups, keys.groups):
        if groups is not None:
            held = held[~np.isin(groups[held], groups[fitted])]
    return held


def _digest(keys: Keys) -> str:
    digest = hashlib.sha256(keys.numbers.tobytes())
    digest.update(np.asarray(keys.target).tobytes())
    if keys.moments is not None:
        digest.update(keys.moments.tobytes())
    if keys.groups is not None:
        digest.update(first_rows(keys.groups, keys.numbers).tobytes())
    return digest.hexdigest()
