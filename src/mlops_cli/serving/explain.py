"""What explains a bundle's model: its library where that can, else Shapley values."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence

import numpy as np

from mlops_cli.bundle.manifest import Feature
from mlops_cli.bundle.profile import Bins, Categories, ColumnProfile, OpenBins, Profile
from mlops_cli.bundle.reader import Bundle
from mlops_cli.serving.contributions import Contributing, Explainer, OwnExplainer
from mlops_cli.serving.models import Model, Raw
from mlops_cli.serving.shapley import ShapleyExplainer


def open_explainer(bundle: Bundle, model: Model) -> Explainer:
    """What explains the bundle's model; raises `BundleError` where its profile cannot be read."""
    manifest = bundle.manifest
    if isinstance(model, Contributing):
        return OwnExplainer(model, manifest.task)
    reference = reference_row(bundle.profile(), manifest.features)
    probes = np.array([row.features for row in bundle.golden()], np.float32)
    return ShapleyExplainer(model, manifest.task, reference, probes)


def reference_row(profile: Profile, features: Sequence[Feature]) -> Raw:
    """A row that is nobody's, of shape (f,): each feature's median, or most frequent category.

    A feature that is missing in most rows, or of which the profile tells nothing, is missing.
    """
    columns = {column.name: column for column in profile.columns}
    return np.array([_typical(columns.get(feature.name), feature) for feature in features])


def _typical(column: ColumnProfile | None, feature: Feature) -> float:
    if column is None or column.missing > column.count:
        return math.nan
    match column.distribution:
        case Categories(counts=found):
            categories = feature.categories or ()
            known = [name for name in found if name in categories]
            return float(categories.index(max(known, key=found.__getitem__))) if known else math.nan
        case OpenBins(edges=values, counts=counts):
            return _median((*values, *values[-1:]), counts if values else ())
        case Bins(edges=values, counts=counts):
            return _median(values, counts)
        case listed:
            return _median(listed.values, listed.counts)


def _median(values: Sequence[float], counts: Sequence[int]) -> float:
    half = sum(counts) / 2
    reached = itertools.accumulate(counts)
    return next((v for v, total in zip(values, reached, strict=True) if total >= half), math.nan)
