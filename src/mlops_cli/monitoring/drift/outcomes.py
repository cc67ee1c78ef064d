"""What is predicted, and what comes of it: as it was on the hold-out, and as it is in a window."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import msgspec
import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from mlops_cli.bundle.manifest import ClassLabel, class_key
from mlops_cli.bundle.profile import Profile, Span
from mlops_cli.expressions.tree import ValueType
from mlops_cli.monitoring.counts.comparison import Comparison, compare
from mlops_cli.monitoring.drift.hypotheses import MIN_VALUES, Hypothesis, hypotheses, size_of
from mlops_cli.monitoring.drift.profile import (
    Units,
    column_profile,
    one_of_each_subject,
    with_spans_of,
)
from mlops_cli.monitoring.drift.spans import with_spans

LEVEL = 0.05  # of the interval of a share that moved
Array = NDArray[np.float64]
Outcome = Literal["prediction", "target"]
PREDICTION: Outcome = "prediction"
TARGET: Outcome = "target"


@dataclass(frozen=True, slots=True)
class Outcomes:
    """The hold-out: `said`, shape (n,) or (n, classes), and `truth`, shape (n,).

    `subjects` has `__row__` and the columns `__id__NAME` of `units.subject` for each row.
    """

    said: Array
    truth: Array
    subjects: pa.Table
    units: Units
    sensitive: bool


def outcome_profiles(holdout: Outcomes, classes: Sequence[ClassLabel] | None) -> dict[str, Profile]:
    """The profiles of what was predicted and of what came, by `PREDICTION` and `TARGET`.

    A binary prediction is its probability, a multiclass one its likeliest class.
    """
    kinds: tuple[tuple[Outcome, Array], ...] = (
        (PREDICTION, holdout.said),
        (TARGET, holdout.truth),
    )
    return {role: _profile(role, values, holdout, classes) for role, values in kinds}


def column_of(role: Outcome, values: Array, classes: Sequence[ClassLabel] | None) -> pa.Array:
    """Predictions or labels as the column that their profile is of; NaN is null.

    `values` has shape (n,), or (n, classes) for the predictions of several classes.
    """
    if classes is None or (role == PREDICTION and values.ndim == 1):
        return pa.array(values, mask=~np.isfinite(values))
    there = np.isfinite(values) if values.ndim == 1 else np.isfinite(values).all(axis=1)
    best = values if values.ndim == 1 else values.argmax(axis=1)
    keys = pa.array([class_key(label) for label in classes], pa.string())
    index = np.where(there, best, 0).astype(np.int64)
    return keys.take(pa.array(index, mask=~there))


def profile_of_outcome(
    role: Outcome, column: pa.Array | pa.ChunkedArray, *, sensitive: bool
) -> Profile:
    """The profile of one column of predictions or labels, as `column_of` gives it."""
    kind: ValueType = "text" if pa.types.is_string(column.type) else "float"
    found = column_profile(column, role, role=role, kind=kind, sensitive=sensitive)
    return Profile(len(column), (found,))


def shift_of(
    profile: Profile, column: pa.Array, *, alpha: float, span: Span | None
) -> Mapping[str, float] | None:
    """How far one of the outcomes moved: the share of rows, its interval, and whether that counts.

    The keys are NAME_drift, NAME_drift_low, NAME_drift_high (0 to 1) and `drifted` (1 or 0: the
    probability of it in a quiet window is at most `alpha`). None where fewer than 30 values are
    on either side.
    """
    (found,) = compare(profile, [pa.table({profile.columns[0].name: column})])
    if min(found.rows - found.missing, found.profile.count) < MIN_VALUES:
        return None
    asked = [h for h in hypotheses(found) if h.statistic in ("ks", "chi_square")]
    if span is not None:
        asked = list(with_spans(asked, [found], span, alpha))
    one = asked[0]
    chance = _chance(one, found, least=0.0 if span is None else one.floor)
    name = f"{found.profile.role}_drift"
    figures = {
        name: one.effect,
        f"{name}_low": max(0.0, one.effect - chance),
        f"{name}_high": min(1.0, one.effect + chance),
        "drifted": float(one.p_value <= alpha and one.value >= one.floor),
    }
    return {key: round(value, 6) for key, value in figures.items()}


def _chance(one: Hypothesis, found: Comparison, *, least: float) -> float:
    """How far chance, or a usual day, moves the share that `one.effect` is.

    Of classes it is bounded by half the root of chi-square over the size (Cauchy and Schwarz).
    """
    size = size_of(found)
    usual = max(one.critical(LEVEL), least)
    if not usual:  # so few rows of a class that nothing can be tested
        return 1.0
    return usual if one.statistic == "ks" else 0.5 * math.sqrt(usual / size)


def _profile(
    role: Outcome, values: Array, holdout: Outcomes, classes: Sequence[ClassLabel] | None
) -> Profile:
    column = column_of(role, values, classes)
    table = holdout.subjects.append_column(role, column)
    if holdout.units.subject:
        table = one_of_each_subject(table, holdout.units.subject)
    profile = msgspec.structs.replace(
        profile_of_outcome(role, table[role], sensitive=holdout.sensitive),
        subject=holdout.units.subject,
    )
    return with_spans_of(profile, table, holdout.units)
