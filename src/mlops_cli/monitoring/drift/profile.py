"""Make a profile of the rows that a model was fitted on."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import msgspec
import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from mlops_cli._json import canonical_json
from mlops_cli.bundle.manifest import Feature, Input
from mlops_cli.bundle.plan import ID
from mlops_cli.bundle.profile import (
    Bins,
    Categories,
    ColumnProfile,
    OpenBins,
    Profile,
    Values,
)
from mlops_cli.expressions.tree import FeatureTree, ValueType, columns_of
from mlops_cli.monitoring.counts.columns import numbers, texts
from mlops_cli.monitoring.counts.merged import merged_categories, merged_sketch
from mlops_cli.monitoring.counts.sketches import sketch, top_categories
from mlops_cli.monitoring.counts.subjects import one_of_each
from mlops_cli.monitoring.drift.spans import spans_of


@dataclass(frozen=True, slots=True)
class Units:
    """What of a table's rows is independent of the others.

    `subject` are the columns of `data.id.subject`, which the table has as `__id__NAME`;
    `moments` the rows' times in microseconds, ascending, shape (n,).
    """

    subject: tuple[str, ...] = ()
    moments: NDArray[np.int64] | None = None


ROWS = Units()
"""Each row by itself."""


def build_profile(
    table: pa.Table,
    *,
    inputs: Sequence[Input],
    features: Sequence[Feature],
    importance: Mapping[str, float],
    trees: Sequence[FeatureTree] = (),
    units: Units = ROWS,
    sensitive: Collection[str] = (),
) -> bytes:
    """The content of `profile.json` for the rows of `table`, which a model was fitted on.

    `table` has a column for every input and every feature by name (as `data/features.parquet`
    has); a name that is both is profiled once. `importance` is by feature, on any scale; what it
    lacks counts 0. `trees` tell which inputs feed which feature; `units` which rows are
    independent. Of the columns `sensitive` nothing is told that fewer than five rows share.
    The same rows in any order give the same bytes, as long as neither a subject nor a time is
    named. Raises `KeyError` for a column that the table lacks.
    """
    profile = profile_of(table, inputs=inputs, features=features, units=units, sensitive=sensitive)
    return weighted(profile, features, importance=importance, trees=trees)


def profile_of(
    table: pa.Table,
    *,
    inputs: Sequence[Input],
    features: Sequence[Feature],
    units: Units = ROWS,
    sensitive: Collection[str] = (),
) -> Profile:
    """The profile, as `build_profile` has it, of a model that does not stand yet: no importance."""
    if units.subject:
        table = one_of_each_subject(table, units.subject)
    columns: dict[str, ColumnProfile] = {}
    described: tuple[Input | Feature, ...] = (*inputs, *features)
    for of in described:
        if of.name not in columns:
            columns[of.name] = _profile(table[of.name], of, sensitive=of.name in sensitive)
    profile = Profile(table.num_rows, tuple(columns.values()), units.subject)
    return with_spans_of(profile, table, units)


def with_spans_of(profile: Profile, table: pa.Table, units: Units) -> Profile:
    """The profile of `table` with its spans, where rows have a time and are of no subject."""
    if units.moments is None or units.subject:
        return profile
    return msgspec.structs.replace(profile, spans=spans_of(profile, table, units.moments))


def one_of_each_subject(table: pa.Table, subject: Sequence[str]) -> pa.Table:
    """The rows of a table of featurize's that count where rows of a subject are alike."""
    return table.take(pa.array(one_of_each(table, [ID + name for name in subject])))


def weighted(
    profile: Profile,
    features: Sequence[Feature],
    *,
    importance: Mapping[str, float],
    trees: Sequence[FeatureTree],
) -> bytes:
    """The content of `profile.json`: the profile with its columns' importance."""
    shares = _shares({f.name: importance.get(f.name, 0.0) for f in features})
    used = _use_of_inputs(trees, shares) | shares
    columns = (
        msgspec.structs.replace(c, importance=used.get(c.name, 0.0)) for c in profile.columns
    )
    return canonical_json(msgspec.structs.replace(profile, columns=tuple(columns)))


def _profile(column: pa.ChunkedArray, of: Input | Feature, *, sensitive: bool) -> ColumnProfile:
    role: Literal["input", "feature"] = "input" if isinstance(of, Input) else "feature"
    kind = of.type if isinstance(of, Input) else _type_of(of)
    return column_profile(column, of.name, role=role, kind=kind, sensitive=sensitive)


def column_profile(
    column: pa.ChunkedArray,
    name: str,
    *,
    role: Literal["input", "feature", "prediction", "target"],
    kind: ValueType,
    sensitive: bool,
) -> ColumnProfile:
    """One column as it is; of a sensitive one nothing is told that fewer than five rows share."""
    distribution: Bins | OpenBins | Values | Categories
    if kind == "text":
        found = texts(column)
        distribution = merged_categories(found) if sensitive else top_categories(found)
        count = sum(distribution.counts.values()) + distribution.other
    else:
        values = numbers(column)
        distribution = merged_sketch(values) if sensitive else sketch(values)
        count = sum(distribution.counts)
    return ColumnProfile(
        name=name,
        role=role,
        type=kind,
        count=count,
        missing=len(column) - count,
        importance=0.0,
        distribution=distribution,
    )


def _type_of(feature: Feature) -> ValueType:
    return "text" if feature.kind == "category" else "float"


def _shares(importance: Mapping[str, float]) -> dict[str, float]:
    total = sum(importance.values())
    return {k: round(v / total, 6) if total else 0.0 for k, v in importance.items()}


def _use_of_inputs(trees: Sequence[FeatureTree], shares: Mapping[str, float]) -> dict[str, float]:
    """The importance of the most important feature that is computed from each input."""
    used: dict[str, float] = {}
    for feature in trees:
        for name in columns_of(feature.tree):
            used[name] = max(used.get(name, 0.0), shares.get(feature.name, 0.0))
    return used
