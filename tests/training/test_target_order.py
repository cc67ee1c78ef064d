"""Categories in the order of the target: by the rows of each fit, as scikit-learn encodes them."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from sklearn.preprocessing import TargetEncoder

from learning import make, reconfigure
from mlops_cli.bundle.reader import open_bundle
from mlops_cli.bundling.selection import Selecting
from mlops_cli.stages.train import train
from mlops_cli.stages.tune import tune
from mlops_cli.training.data import problem_of, read_events
from mlops_cli.training.target_order import encoded


@pytest.mark.parametrize("kind", ["binary", "continuous"])
def test_it_is_the_encoding_of_scikit_learn(kind):
    rng = np.random.default_rng(0)
    codes = rng.integers(0, 40, 500) * rng.integers(0, 2, 500)  # half of them one category
    target = rng.random(500) + codes / 40
    if kind == "binary":
        target = (target > 1).astype(np.float64)
    encoder = TargetEncoder(categories=[np.arange(40)], target_type=kind, smooth="auto")
    said = target.astype(np.int64) if kind == "binary" else target
    theirs = encoder.fit(codes[:, None], said).encodings_[0]
    ours = encoded(codes, target, np.ones(500), 40)
    np.testing.assert_allclose(ours, theirs, rtol=1e-9)


def test_a_weight_is_as_many_rows():
    codes, target = np.array([0, 0, 1, 1, 2]), np.array([0.0, 1.0, 1.0, 3.0, 5.0])
    weight = np.array([1.0, 3.0, 2.0, 1.0, 0.0])
    again = np.repeat(np.arange(5), weight.astype(int))
    repeated = encoded(codes[again], target[again], np.ones(len(again)), 3)
    assert encoded(codes, target, weight, 3).tolist() == pytest.approx(repeated.tolist())


@pytest.mark.parametrize("task", ["binary", "regression"])
def test_a_model_has_its_categories_in_the_order_of_its_own_rows(tmp_path, task):
    project = make(tmp_path / "p", task=task, n=500, train={"categories": "ordered"})
    tune(project)
    assert train(project).golden > 0
    bundle = open_bundle(project.root / "model")
    kind = next(f for f in bundle.manifest.features if f.name == "kind")
    # `learning.events`: b adds to the target, c takes from it.
    assert (kind.categories[0], kind.categories[-1]) == ("c", "b")
    told = next(i for i in bundle.manifest.inputs if i.name == "kind")
    assert told.categories == kind.categories


def test_rows_that_a_fit_may_not_see_order_nothing(tmp_path):
    project = make(tmp_path / "p", n=500)
    project = reconfigure(project, train={"categories": "ordered"})
    events = read_events(project.root, project.config)
    rows = events.split.train
    target = events.target.copy()
    others = np.setdiff1d(np.arange(len(target)), rows)
    target[others] = 1 - target[others]
    orders = []
    for each in (events, replace(events, target=target)):
        whole = problem_of(project.config, each, each.features(each.split.fitted))
        orders.append(Selecting(project.config, each).narrowed(whole, rows).features)
        orders.append(whole.features)
    assert orders[0] == orders[2]
    assert orders[1] != orders[3]
