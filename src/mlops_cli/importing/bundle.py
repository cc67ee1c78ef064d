"""A bundle of a model from elsewhere, proven before it is anybody's."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa

from mlops_cli._json import canonical_json
from mlops_cli.bundle.manifest import (
    FEATURES,
    GOLDEN,
    MODEL_FILES,
    PROFILE,
    REQUIREMENTS,
)
from mlops_cli.bundle.reader import Bundle, open_bundle
from mlops_cli.bundle.writer import Model, write_bundle
from mlops_cli.errors import BundleError, UsageError
from mlops_cli.expressions.tree import FeatureTrees
from mlops_cli.importing.base import Original, refused
from mlops_cli.importing.columns import Columns
from mlops_cli.importing.proof import Proven, prove
from mlops_cli.monitoring.drift.profile import build_profile
from mlops_cli.packaging.requirements import serving_requirements
from mlops_cli.progress import Progress
from mlops_cli.serving.golden import replay
from mlops_cli.serving.predictions import render
from mlops_cli.serving.predictor import open_predictor
from mlops_cli.tables.disclosure import reading
from mlops_cli.tables.matrix import encode
from mlops_cli.training.golden import Ties, golden_inputs, golden_lines
from mlops_cli.training.tree_splits import Numbers


@dataclass(frozen=True, slots=True)
class Sample:
    """Rows of the data: their inputs as a table, and as the model's matrix in float64 (n, f)."""

    table: pa.Table
    matrix: Numbers


@dataclass(frozen=True, slots=True)
class Made:
    """A bundle that predicts what the original does: on these rows, and on its golden ones."""

    bundle: Bundle
    proven: Proven
    golden: int


def make_bundle(
    folder: Path,
    model: Model,
    original: Original,
    columns: Columns,
    sample: Sample,
    provenance: Mapping[str, object],
    *,
    progress: Progress,
) -> Made:
    """Write the bundle to `folder` in the first of the original's forms that proves exact.

    Raises `UsageError`, naming the largest difference of the last form, where none does.
    """
    files = _files(model, original, columns, sample)
    why: UsageError | None = None
    for content in original.contents:
        write_bundle(folder, model, {**files, MODEL_FILES[model.kind]: content}, provenance)
        bundle = open_bundle(folder)
        try:
            predictor = open_predictor(bundle)
            proven = prove(
                original, predictor.numbers, sample.matrix, columns.names, progress=progress
            )
            return Made(bundle, proven, replay(bundle, predictor))
        except UsageError as e:
            why = why or e
        except BundleError as e:
            why = refused(e.message, hint="train it in a form that can be served: see the guide")
    raise why or refused("it has no form for serving", hint="train it again")


def _files(model: Model, original: Original, columns: Columns, sample: Sample) -> dict[str, bytes]:
    trees = columns.trees
    importance = dict(zip(columns.names, original.importance, strict=False))
    ties = Ties(trees, sensitive=model.sensitive)
    raw = golden_inputs(sample.table, columns.inputs, columns.features, ties)
    matrix = encode(raw, columns.features)
    if not original.missing:  # nor a number beyond float32, which is missing to a bundle
        whole = np.flatnonzero(~np.isnan(matrix).any(axis=1))
        raw, matrix = raw.take(whole), matrix[whole]
    said = render(model, original.predict(matrix.astype(np.float64)))
    return {
        FEATURES: canonical_json(FeatureTrees(features=trees)),
        PROFILE: build_profile(
            sample.table,
            inputs=columns.inputs,
            features=columns.features,
            importance=importance,
            trees=trees,
            sensitive=reading(trees, model.sensitive),
        ),
        REQUIREMENTS: serving_requirements(model.kind).encode(),
        GOLDEN: golden_lines(raw, matrix, said),
    }
