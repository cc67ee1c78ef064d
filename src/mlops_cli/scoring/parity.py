"""Are features and predictions of the same rows equal, whichever way they were made?"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np

from mlops_cli.bundle.manifest import Feature, Manifest
from mlops_cli.serving.golden import decided, numbers_of, steps, tolerance
from mlops_cli.serving.models import Matrix, Raw
from mlops_cli.serving.predictions import Prediction

Value = bool | int | float | str | None


@dataclass(frozen=True, slots=True)
class Way:
    """What one way makes of n rows: features (n, f) in the manifest's order, and n predictions."""

    name: str
    features: Matrix
    predictions: Sequence[Prediction]


@dataclass(frozen=True, slots=True)
class Difference:
    """The largest difference of two ways: of which row, of which feature or field of a prediction.

    A category is its text; missing is None.
    """

    row: str
    name: str
    first: Value
    second: Value


@dataclass(frozen=True, slots=True)
class Pair:
    """Two ways, compared.

    `rows` differ by more than the tolerance, in a feature or in the prediction. `feature` and
    `prediction` are the largest differences, also those within it; None where there is none.
    """

    first: str
    second: str
    equal: bool
    rows: int
    feature: Difference | None
    prediction: Difference | None


def compare(manifest: Manifest, ways: Sequence[Way], rows: Sequence[str]) -> tuple[Pair, ...]:
    """Each two of the ways of the same rows (by their names).

    Features are equal within 1 ulp of float32 (transcendental functions), predictions within
    1e-6 + 1e-5 |y|; labels wherever the numbers decide them by more than that.
    """
    return tuple(_pair(manifest, pair, rows) for pair in combinations(ways, 2))


@dataclass(frozen=True, slots=True)
class _Found:
    """A difference, by how many times its tolerance."""

    times: float
    name: str
    first: Value
    second: Value


def _pair(manifest: Manifest, pair: tuple[Way, Way], rows: Sequence[str]) -> Pair:
    first, second = pair
    apart = steps(second.features, first.features)
    fields = [
        max(_fields(manifest, a, b), key=lambda found: found.times)
        for a, b in zip(first.predictions, second.predictions, strict=True)
    ]
    times = np.array([field.times for field in fields])
    differing = int(((apart > 1).any(axis=1) | (times > 1)).sum())
    return Pair(
        first=first.name,
        second=second.name,
        equal=not differing,
        rows=differing,
        feature=_largest_feature(manifest.features, pair, apart, rows),
        prediction=_largest_field(fields, rows),
    )


def _largest_feature(
    features: Sequence[Feature], pair: tuple[Way, Way], apart: Raw, rows: Sequence[str]
) -> Difference | None:
    i, j = divmod(int(apart.argmax()), apart.shape[1])
    if not apart[i, j]:
        return None
    first, second = (_said(features[j], float(way.features[i, j])) for way in pair)
    return Difference(rows[i], features[j].name, first, second)


def _largest_field(fields: Sequence[_Found], rows: Sequence[str]) -> Difference | None:
    i = max(range(len(fields)), key=lambda i: fields[i].times)
    found = fields[i]
    return Difference(rows[i], found.name, found.first, found.second) if found.times else None


def _fields(manifest: Manifest, a: Prediction, b: Prediction) -> Iterator[_Found]:
    numbers, others = numbers_of(manifest, a), numbers_of(manifest, b)
    for name, number in numbers.items():
        times = abs(others[name] - number) / tolerance(number)
        yield _Found(times, name, number, others[name])
    if decided(manifest, numbers) and a.get("label") != b.get("label"):
        yield _Found(math.inf, "label", a.get("label"), b.get("label"))


def _said(feature: Feature, value: float) -> Value:
    if math.isnan(value):
        return None
    return feature.categories[int(value)] if feature.categories else value
