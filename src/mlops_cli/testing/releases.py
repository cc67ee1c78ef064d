"""Releases to deploy in tests: `pytest_plugins = ["mlops_cli.testing.releases"]` in a conftest.

The fixtures `first`, `second` and `broken` are what `TargetConformance` asks for: bundles of a real
small model. An image is made of one only when the target asks for it.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from numpy.typing import NDArray

from mlops_cli._json import canonical_json
from mlops_cli.bundle.manifest import (
    FEATURES,
    GOLDEN,
    MODEL_FILES,
    PROFILE,
    REQUIREMENTS,
    Feature,
    Input,
    Target,
)
from mlops_cli.bundle.reader import Bundle, open_bundle
from mlops_cli.bundle.writer import Model, write_bundle
from mlops_cli.expressions.tree import FeatureTree, FeatureTrees, Node
from mlops_cli.monitoring.drift.profile import build_profile
from mlops_cli.packaging.image import image_of
from mlops_cli.packaging.requirements import serving_requirements
from mlops_cli.serving.predictions import render
from mlops_cli.targets.base import Release
from mlops_cli.testing import estimator
from mlops_cli.training.golden import golden_lines

BASE = "python:{python}-slim"


def make_bundle(folder: Path, *, seed: int = 0, broken: bool = False) -> Bundle:
    """Fit XGBoost on 300 rows and write its bundle to `folder`; another seed is another version.

    A server refuses to start with a `broken` one: its golden row 4 is not what the model predicts.
    """
    part = estimator.make_part("binary", seed=seed)
    learner = estimator.opened("xgboost", "binary")
    fitted = learner.fit(part, {}, 5)
    inputs = tuple(
        Input(f.name, "text" if f.categories else "float", True, f.categories, "event")
        for f in estimator.FEATURES
    )
    table = pa.table(
        {f.name: _values(f, part.matrix[:, j]) for j, f in enumerate(estimator.FEATURES)}
    )
    model = Model(
        project="conformance",
        task="binary",
        target=Target("high"),
        classes=(False, True),
        kind=learner.kind,
        inputs=inputs,
        features=estimator.FEATURES,
        modules=learner.modules(),
    )
    predictions = render(model, fitted.predict(part.matrix))
    if broken:
        predictions[3] = {"probability": 0.123456, "label": False}
    columns = (FeatureTree(i.name, Node("column", i.type, value=i.name)) for i in inputs)
    files = {
        MODEL_FILES[learner.kind]: fitted.content(),
        FEATURES: canonical_json(FeatureTrees(tuple(columns))),
        PROFILE: build_profile(
            table, inputs=inputs, features=estimator.FEATURES, importance=fitted.importance()
        ),
        GOLDEN: golden_lines(table, part.matrix, predictions),
        REQUIREMENTS: serving_requirements(learner.kind).encode(),
    }
    write_bundle(folder, model, files, {})
    return open_bundle(folder)


def _values(feature: Feature, column: NDArray[np.float32]) -> pa.Array:
    if not feature.categories:
        return pa.array(column.astype(np.float64), from_pandas=True)  # NaN is null
    texts: list[Any] = [
        None if np.isnan(code) else feature.categories[int(code)] for code in column
    ]
    return pa.array(texts, pa.string())


@pytest.fixture(scope="session")
def bundles_to_deploy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the bundles `first`, `second` and `broken`."""
    folder = tmp_path_factory.mktemp("bundles")
    make_bundle(folder / "first")
    make_bundle(folder / "second", seed=1)
    make_bundle(folder / "broken", broken=True)
    return folder


def _release(folder: Path) -> Release:
    bundle = open_bundle(folder)
    return Release(bundle, image_of(bundle, base=BASE, root=folder))


@pytest.fixture
def first(bundles_to_deploy: Path) -> Release:
    """A version that works."""
    return _release(bundles_to_deploy / "first")


@pytest.fixture
def second(bundles_to_deploy: Path) -> Release:
    """Another one."""
    return _release(bundles_to_deploy / "second")


@pytest.fixture
def broken(bundles_to_deploy: Path) -> Release:
    """A version whose server does not come up."""
    return _release(bundles_to_deploy / "broken")
