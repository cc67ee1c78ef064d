"""Make a profile of the rows that a model was fitted on."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

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
    Profile,
    Values,
)
from mlops_cli.expressions.tree import FeatureTree, ValueType, columns_of
from mlops_cli.monitoring.columns import bucket_counts, numbers, texts
from mlops_cli.monitoring.spans import spans_of
from mlops_cli.monitoring.subjects import one_of_each

BINS = 128
MAX_VALUES = 100  # up to here every value is kept: months, hours, 0 and 1
MAX_CATEGORIES = 200
BUCKETS = 64


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
) -> bytes:
    """The content of `profile.json` for the rows of `table`, which a model was fitted on.

    `table` has a column for every input and every feature by name (as `data/features.parquet`
    has); a name that is both is profiled once. `importance` is by feature, on any scale; what it
    lacks counts 0. `trees` tell which inputs feed which feature; `units` which rows are
    independent. The same rows in any order give the same bytes, as long as neither a subject nor
    a time is named. Raises `KeyError` for a column that the table lacks.
    """
    profile = profile_of(table, inputs=inputs, features=features, units=units)
    return weighted(profile, features, importance=importance, trees=trees)


def profile_of(
    table: pa.Table, *, inputs: Sequence[Input], features: Sequence[Feature], units: Units = ROWS
) -> Profile:
    """The profile, as `build_profile` has it, of a model that does not stand yet: no importance."""
    if units.subject:
        table = table.take(pa.array(one_of_each(table, [ID + name for name in units.subject])))
    columns: dict[str, ColumnProfile] = {}
    described: tuple[Input | Feature, ...] = (*inputs, *features)
    for of in described:
        if of.name not in columns:
            columns[of.name] = _profile(table[of.name], of)
    profile = Profile(table.num_rows, tuple(columns.values()), units.subject)
    if units.moments is None or units.subject:
        return profile
    return msgspec.structs.replace(profile, spans=spans_of(profile, table, units.moments))


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


def sketch(values: NDArray[np.float64]) -> Bins | Values:
    """The distribution of finite numbers, shape (n,): all values where they are few, else bins."""
    ordered = np.sort(values)
    last = np.flatnonzero(ordered[1:] != ordered[:-1])
    last = np.append(last, len(ordered) - 1) if len(ordered) else last
    if len(last) <= MAX_VALUES:
        counts = np.diff(last, prepend=-1)
        return Values(tuple(ordered[last].tolist()), tuple(counts.tolist()))
    edges = _quantile_edges(ordered)
    ranks = np.searchsorted(ordered, edges, side="right")
    return Bins(tuple(edges.tolist()), tuple(np.diff(ranks, prepend=0).tolist()))


def top_categories(counts: Mapping[str, int]) -> Categories:
    """The most frequent texts (ties in the order of code points), the others in one number."""
    ranked = sorted(counts.items(), key=lambda kv: (-kv[1], kv[0]))
    kept, other = dict(ranked[:MAX_CATEGORIES]), sum(c for _, c in ranked[MAX_CATEGORIES:])
    buckets = tuple(bucket_counts(counts, BUCKETS).tolist()) if other else None
    return Categories(counts=kept, other=other, buckets=buckets)


def _quantile_edges(ordered: NDArray[np.float64]) -> NDArray[np.float64]:
    """BINS quantiles as edges, denser in the tails; a value that fills a bin gets one of its own.

    The levels (1 - cos t) / 2 are those of the t-digest's scale k1 (Dunning and Ertl, 2019).
    """
    levels = (1 - np.cos(np.linspace(0, np.pi, BINS))) / 2
    ranks = np.round(levels * (len(ordered) - 1)).astype(np.int64)
    quantiles = ordered[ranks]
    heavy = quantiles[1:][quantiles[1:] == quantiles[:-1]]
    return np.unique(np.concatenate([quantiles, np.nextafter(heavy[heavy > ordered[0]], -np.inf)]))


def _profile(column: pa.ChunkedArray, of: Input | Feature) -> ColumnProfile:
    value_type = of.type if isinstance(of, Input) else _type_of(of)
    distribution: Bins | Values | Categories
    if value_type == "text":
        distribution = top_categories(texts(column))
        count = sum(distribution.counts.values()) + distribution.other
    else:
        values = numbers(column)
        distribution, count = sketch(values), len(values)
    return ColumnProfile(
        name=of.name,
        role="input" if isinstance(of, Input) else "feature",
        type=value_type,
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
