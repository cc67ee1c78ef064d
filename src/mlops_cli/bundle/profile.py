"""The bundle's `profile.json`: drift's reference, in counts; never rows."""

from __future__ import annotations

from typing import Literal

import msgspec

from mlops_cli.expressions.tree import ValueType


class Bins(msgspec.Struct, frozen=True, tag="bins", tag_field="form"):
    """An exact histogram on the column's own quantiles.

    `counts[i]` is the number of values x with edges[i-1] < x <= edges[i]; the first bin holds the
    smallest value alone. The distribution function is therefore exact at every edge, and two
    sketches on the same edges add up. A value that fills whole bins has an edge just below it
    too, and so a bin of its own.
    """

    edges: tuple[float, ...]
    counts: tuple[int, ...]


class OpenBins(msgspec.Struct, frozen=True, tag="open_bins", tag_field="form"):
    """A histogram of a sensitive column: edges lie between values, a bin has no or 5 rows or more.

    There is one count more than there are edges: the first is of all values up to the first edge,
    the last of those above the last one.
    """

    edges: tuple[float, ...]
    counts: tuple[int, ...]


class Values(msgspec.Struct, frozen=True, tag="values", tag_field="form"):
    """Every value of a numeric column that has few of them, ascending, with its count."""

    values: tuple[float, ...]
    counts: tuple[int, ...]


class Categories(msgspec.Struct, frozen=True, tag="categories", tag_field="form"):
    """Counts of the most frequent texts; `other` counts the rows of those not listed.

    Where there are others, `buckets[i]` counts all rows whose text has crc32(UTF-8) modulo the
    number of buckets equal to i: the most frequent of many were partly so by chance, and cells
    chosen by chance cannot be tested.
    """

    counts: dict[str, int]
    other: int
    buckets: tuple[int, ...] | None = None


class ColumnProfile(msgspec.Struct, frozen=True):
    """One column as it was when the model was fitted.

    Booleans are 0 and 1, dates and timestamps seconds since 1970 UTC; NaN and infinities are
    missing, like null; so are values of fewer than 5 rows of a sensitive column that stand in no
    bin or bucket with others. `count` and `missing` are rows. `importance` is the share (0 to 1)
    of the model's use: of the feature itself, or of those that are computed from the input.
    """

    name: str
    role: Literal["input", "feature", "prediction", "target"]
    type: ValueType
    count: int
    missing: int
    importance: float
    distribution: Bins | OpenBins | Values | Categories


class Span(msgspec.Struct, frozen=True):
    """How far windows of one length inside the training data lie from all of it.

    `distances` has, by column and statistic, what nine in ten windows stay below; `excess`, of
    each window and ascending, by how many times the farthest of its distances is that.
    """

    seconds: int
    excess: tuple[float, ...]
    distances: dict[str, dict[str, float]]


class ScoreBins(msgspec.Struct, frozen=True):
    """How often rows that no fit has seen were of a class, by the probability it was given.

    Of each bin, ascending: the mean log odds of that probability, the rows, and those of the
    class. `inflation` is by how much the rows of a subject, being alike, widen a variance.
    """

    log_odds: tuple[float, ...]
    rows: tuple[int, ...]
    hits: tuple[int, ...]
    inflation: float = 1.0


class LossLeaf(msgspec.Struct, frozen=True):
    """The errors (target - prediction) of the unseen rows of one leaf, in the target's unit.

    Their mean, that of their sizes and of their squares, and the standard deviation of each.
    """

    rows: int
    error: tuple[float, float]
    absolute: tuple[float, float]
    square: tuple[float, float]


class LossTree(msgspec.Struct, frozen=True):
    """Where a regression errs more and where less: a tree over the features and the prediction.

    Node i is a leaf where `column[i]` is -1, and its leaf is `child[i][0]`. Otherwise a row whose
    value of that column is at most `threshold[i]` goes to node `child[i][0]`, others to
    `child[i][1]`; a missing value goes to the first where `missing_first[i]`. Columns are those
    of the model's features as numbers, and after the last one the prediction. `inflation` is by
    how much the rows of a subject, being alike, widen a variance.
    """

    column: tuple[int, ...]
    threshold: tuple[float, ...]
    child: tuple[tuple[int, int], ...]
    missing_first: tuple[bool, ...]
    leaves: tuple[LossLeaf, ...]
    inflation: float = 1.0


class Profile(msgspec.Struct, frozen=True, omit_defaults=True):
    """The content of `profile.json`: `rows` counted, and each raw input and row feature once.

    Where `subject` names columns, one row of each subject is counted, and drift counts so, too.
    Otherwise, of rows with a time, `spans` tell of windows by their length, ascending. What the
    hold-out, which no fit has seen, tells of the model's answers: `scores`, of the positive class
    or of each class, and `losses` of a regression; and `outcomes`, profiles of one column each, of
    what was predicted (`prediction`) and what came of it (`target`).
    """

    rows: int
    columns: tuple[ColumnProfile, ...]
    subject: tuple[str, ...] = ()
    spans: tuple[Span, ...] = ()
    scores: tuple[ScoreBins, ...] = ()
    losses: LossTree | None = None
    outcomes: dict[str, Profile] = {}
