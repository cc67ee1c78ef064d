"""What a model goes by, of the contributions of its features to many rows."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import msgspec
import numpy as np
from numpy.typing import NDArray

from mlops_cli.bundle.manifest import Feature
from mlops_cli.tables.disclosure import FEWEST

DRAWN = 6  # features whose effect is told value by value
STEPS = 12  # of a number's effect, of about as many rows each
PAIRS = 8
SHOWN = 6  # features of one row's explanation
MISSING = "missing"
Array = NDArray[np.float64]


class Step(msgspec.Struct, frozen=True):
    """Rows with about the same value of a feature: the mean contribution, and half of them."""

    at: float | str
    rows: int
    mean: float
    low: float
    high: float


class FeatureEffect(msgspec.Struct, frozen=True):
    """How much a feature moves the predictions: the mean size of its contributions.

    `error` is its standard error; `share` is of all features; `steps` are told of the first ones.
    """

    name: str
    importance: float
    error: float
    share: float
    steps: Sequence[Step] = ()


class Pair(msgspec.Struct, frozen=True):
    """Two features: the mean size of what they do together beyond what each does alone."""

    one: str
    other: str
    strength: float


class Part(msgspec.Struct, frozen=True):
    """A feature of one row, its value as text, and what it contributed."""

    feature: str
    value: str
    contribution: float


class Example(msgspec.Struct, frozen=True):
    """One row explained: `base` and all parts, of which the largest are told, make `total`."""

    base: float
    total: float
    parts: Sequence[Part]
    rest: float


class Stability(msgspec.Struct, frozen=True):
    """How far the `fits` whose average the model is agree on what they go by.

    They are of other parameters or seeds, on the same rows. `rank_correlation` is Spearman's of
    their features by importance, the mean over all pairs; `same_first` of them go most by the
    feature that all together do; `shares` are each feature's least and greatest share.
    """

    fits: int
    rank_correlation: float | None
    same_first: int
    shares: Mapping[str, tuple[float, float]]


class Explanations(msgspec.Struct, frozen=True, omit_defaults=True):
    """What the model goes by on `rows` rows of the hold-out.

    Contributions are to the `space` (see `Explanation`). Interactions are exact, of fewer rows;
    none were computed where `pair_rows` is 0. `examples` are rows that are nobody's: golden ones.
    `stability` is of a model that is an average of several fits; of one fit nothing is known.
    """

    rows: int
    space: str
    features: Sequence[FeatureEffect]
    examples: Sequence[Example] = ()
    pair_rows: int = 0
    pairs: Sequence[Pair] = ()
    stability: Stability | None = None


@dataclass(frozen=True, slots=True)
class Contributions:
    """The parts (n, f, k) of rows, whose features are `matrix` (n, f), and bases (n, k)."""

    features: Sequence[Feature]
    matrix: NDArray[np.float32]
    parts: Array
    bases: Array


def effects_of(of: Contributions) -> list[FeatureEffect]:
    """Each feature, the one that moves most first; of several classes the sizes are added up."""
    sizes = np.abs(of.parts).sum(axis=2)
    means, n = sizes.mean(axis=0), len(sizes)
    errors = sizes.std(axis=0, ddof=1) / math.sqrt(n) if n > 1 else np.zeros(len(means))
    total = float(means.sum()) or 1.0
    order = np.argsort(-means, kind="stable").tolist()
    drawn = order[:DRAWN] if of.parts.shape[2] == 1 else []
    return [
        FeatureEffect(
            of.features[i].name,
            float(means[i]),
            float(errors[i]),
            float(means[i]) / total,
            _steps(of, i) if i in drawn and means[i] > 0 else (),
        )
        for i in order
    ]


def _steps(of: Contributions, i: int) -> list[Step]:
    values, parts = of.matrix[:, i], of.parts[:, i, 0]
    known = ~np.isnan(values)
    categories = of.features[i].categories
    if categories is not None:
        codes = values[known].astype(np.int64)
        found = np.argsort(-np.bincount(codes, minlength=len(categories)), kind="stable")[:STEPS]
        groups: list[tuple[float | str, NDArray[np.bool_]]] = [
            (categories[c], values == c) for c in found.tolist()
        ]
    else:
        groups = _bins(values, known)
    groups.append((MISSING, ~known))
    return [_step(at, parts[rows]) for at, rows in groups if rows.sum() >= FEWEST]


def _bins(
    values: NDArray[np.float32], known: NDArray[np.bool_]
) -> list[tuple[float | str, NDArray[np.bool_]]]:
    distinct = np.unique(values[known])
    if len(distinct) <= STEPS:
        return [(float(v), values == v) for v in distinct.tolist()]
    edges = np.unique(np.quantile(values[known], np.arange(1, STEPS) / STEPS))
    places = np.where(known, np.searchsorted(edges, values, side="right"), -1)
    masks = [places == place for place in range(len(edges) + 1)]
    return [(float(values[m].mean()), m) for m in masks if m.any()]


def _step(at: float | str, parts: Array) -> Step:
    low, high = (float(q) for q in np.quantile(parts, (0.25, 0.75)))
    where = at if isinstance(at, str) else float(f"{at:.6g}")
    return Step(where, len(parts), float(parts.mean()), low, high)


def pairs_of(features: Sequence[Feature], interactions: Array) -> list[Pair]:
    """The strongest pairs, of exact interactions of shape (n, f, f): both halves of each."""
    strength = 2 * np.abs(interactions).mean(axis=0)
    pairs = [
        Pair(features[i].name, features[j].name, float(strength[i, j]))
        for i in range(len(features))
        for j in range(i + 1, len(features))
        if strength[i, j] > 0
    ]
    return sorted(pairs, key=lambda pair: -pair.strength)[:PAIRS]


def examples_of(of: Contributions) -> list[Example]:
    """The rows with the lowest, the middle and the highest total, of one number a row."""
    totals = of.bases[:, 0] + of.parts[:, :, 0].sum(axis=1)
    order = np.argsort(totals, kind="stable")
    return [_example(of, int(order[at])) for at in dict.fromkeys((0, len(order) // 2, -1))]


def _example(of: Contributions, row: int) -> Example:
    parts, base = of.parts[row, :, 0], float(of.bases[row, 0])
    order = np.argsort(-np.abs(parts), kind="stable")[:SHOWN].tolist()
    told = [
        Part(of.features[i].name, _text(of.features[i], of.matrix[row, i]), float(parts[i]))
        for i in order
    ]
    return Example(base, base + float(parts.sum()), told, float(np.delete(parts, order).sum()))


def _text(feature: Feature, value: np.float32) -> str:
    if np.isnan(value):
        return MISSING
    return feature.categories[int(value)] if feature.categories else f"{float(value):.6g}"
