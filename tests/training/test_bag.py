"""The average of boosters as one booster: margins, contributions, directions, further rounds."""

from __future__ import annotations

import numpy as np
import pytest
import xgboost
from hypothesis import given, settings
from hypothesis import strategies as st

from mlops_cli.bundle.manifest import Task
from mlops_cli.serving.ubjson import read_ubjson
from mlops_cli.serving.xgboost_trees import check_xgboost
from mlops_cli.testing.estimator import FEATURES, make_part, opened
from mlops_cli.training import open_estimator
from mlops_cli.training.bag import averaged
from mlops_cli.training.base import Fit, Problem
from mlops_cli.training.ubjson import write_ubjson

TASKS: tuple[Task, ...] = ("binary", "multiclass", "regression")
shapes = st.lists(
    st.tuples(st.integers(1, 6), st.integers(1, 25), st.floats(0.01, 1)), min_size=1, max_size=4
)


def fits_of(drawn: list[tuple[int, int, float]]) -> list[Fit]:
    total = sum(share for *_, share in drawn)
    return [
        Fit({"max_depth": depth, "subsample": 0.7, "eta": 0.2}, rounds, seed, share / total)
        for seed, (depth, rounds, share) in enumerate(drawn)
    ]


@pytest.mark.parametrize("task", TASKS)
@settings(max_examples=15, deadline=None)
@given(drawn=shapes)
def test_one_booster_says_what_the_average_of_margins_does(
    task: Task, drawn: list[tuple[int, int, float]]
):
    estimator, rows, others = opened("xgboost", task), make_part(task), make_part(task, seed=1)
    fits = fits_of(drawn)
    asked = xgboost.DMatrix(others.matrix)
    alone = [boosted(estimator.average(rows, [one])) for one in fits]
    margins = [booster.predict(asked, output_margin=True).astype(float) for booster in alone]
    wanted = sum(fit.weight * margin for fit, margin in zip(fits, margins, strict=True))
    model = estimator.average(rows, fits)
    check_xgboost(model.content())
    together = boosted(model)
    assert together.num_boosted_rounds() == sum(fit.rounds for fit in fits)
    found = together.predict(asked, output_margin=True)
    spread = float(np.std(wanted)) + float(np.abs(wanted).max())
    np.testing.assert_allclose(found, wanted, atol=2e-6 * spread)
    parts = together.predict(asked, pred_contribs=True)
    np.testing.assert_allclose(parts.sum(axis=-1), found, atol=1e-5 * spread)
    ours = [
        fit.weight * b.predict(asked, pred_contribs=True)
        for fit, b in zip(fits, alone, strict=True)
    ]
    np.testing.assert_allclose(parts, np.sum(ours, axis=0), atol=1e-5 * spread)


def boosted(model: object) -> xgboost.Booster:
    return xgboost.Booster(model_file=bytearray(model.content()))  # type: ignore[attr-defined]


@pytest.mark.parametrize("task", TASKS)
def test_what_is_written_of_a_booster_is_what_xgboost_writes(task: Task):
    content = opened("xgboost", task).fit(make_part(task), {}, 7).content()
    assert write_ubjson(read_ubjson(content)) == content
    assert averaged([content], [1.0]) == content


def test_ubjson_writes_whole_numbers_of_every_width():
    numbers = [0, -1, 127, -127, 128, 40_000, -40_000, 2**31, 2**40, True, False, 1.5, "é"]
    assert read_ubjson(write_ubjson({"all": numbers})) == {"all": numbers}


@pytest.mark.parametrize("sign", [1, -1])
def test_a_direction_in_a_feature_is_kept(sign: int):
    problem = Problem("binary", FEATURES, 2, "roc_auc", 0, {}, threads=1, monotone={"x": sign})
    estimator = open_estimator("xgboost", problem)
    model = estimator.average(make_part("binary"), fits_of([(6, 25, 0.3), (4, 25, 0.7)]))
    rows = np.tile(make_part("binary", seed=3).matrix[:40], (30, 1))
    rows[:, 0] = np.repeat(np.linspace(300, 1700, 30, dtype=np.float32), 40)
    chances = model.predict(rows).reshape(30, 40)
    assert (sign * np.diff(chances, axis=0) >= -1e-7).all()
    assert (np.ptp(chances, axis=0).max() > 0.1) == (sign == 1)  # the target rises with x


def test_boosting_goes_on_from_an_average():
    estimator = opened("xgboost", "binary")
    rows, others = make_part("binary", 1500), make_part("binary", 1500, seed=1)
    before = estimator.average(rows, fits_of([(2, 5, 0.5), (3, 4, 0.5)]))
    after, added = estimator.update((rows, others), {"eta": 0.1, "max_depth": 2}, before.content())
    assert added > 0
    assert boosted(after).num_boosted_rounds() == 9 + added

    def loss(model: object) -> float:
        said = model.predict(others.matrix)  # type: ignore[attr-defined]
        return float(-np.mean(np.log(np.where(others.target == 1, said, 1 - said))))

    assert loss(after) < loss(before)
