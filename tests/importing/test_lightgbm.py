"""LightGBM's models as ONNX: every setting is the same number at every split, or is refused."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

import held
from mlops_cli.errors import UsageError

pytestmark = pytest.mark.extras
lightgbm = pytest.importorskip(
    "lightgbm", reason="the extra lightgbm is not installed: nox -s extras"
)

from mlops_cli.importing.lightgbm import open_original  # noqa: E402

MATRIX, VALUE = held.rows()
TARGETS = {
    "binary": (VALUE > 0).astype(int),
    "multiclass": np.digitize(VALUE, [-1, 1]),
    "value": VALUE,
    "positive": np.exp(VALUE / 3),
}
SETTINGS: dict[str, tuple[str, dict[str, Any]]] = {
    "binary": ("binary", {"objective": "binary"}),
    "sigmoid": ("binary", {"objective": "binary", "sigmoid": 2.0}),
    "forest": (
        "binary",
        {"objective": "binary", "boosting": "rf", "bagging_freq": 1, "bagging_fraction": 0.7},
    ),
    "dart": ("binary", {"objective": "binary", "boosting": "dart"}),
    "goss": ("binary", {"objective": "binary", "data_sample_strategy": "goss"}),
    "no missing values": ("binary", {"objective": "binary", "use_missing": False}),
    "unbalanced": ("binary", {"objective": "binary", "is_unbalance": True}),
    "softmax": ("multiclass", {"objective": "multiclass", "num_class": 3}),
    "one against all": (
        "multiclass",
        {"objective": "multiclassova", "num_class": 3, "sigmoid": 2.0},
    ),
    "no average first": ("value", {"objective": "regression", "boost_from_average": False}),
    "square root": ("value", {"objective": "regression", "reg_sqrt": True}),
    "constant": ("value", {"objective": "regression", "min_gain_to_split": 1e9}),
    "monotone": ("value", {"objective": "regression", "monotone_constraints": [1, 0, 0, 0, -1]}),
    **{o: ("value", {"objective": o}) for o in ("regression_l1", "huber", "fair", "quantile")},
    **{o: ("positive", {"objective": o}) for o in ("poisson", "gamma", "tweedie", "mape")},
    **{o: ("binary", {"objective": o}) for o in ("cross_entropy", "cross_entropy_lambda")},
}


def _text(
    target: str, params: dict[str, Any], categorical: Any = "auto", rounds: int = 20
) -> bytes:
    whole = {"verbose": -1, "min_data_in_leaf": 5, "num_threads": 1, "seed": 1, **params}
    rows = lightgbm.Dataset(MATRIX, TARGETS[target], categorical_feature=categorical, params=whole)
    return lightgbm.train(whole, rows, rounds).model_to_string().encode()


@pytest.mark.parametrize("name", SETTINGS)
@pytest.mark.parametrize("categorical", ["auto", [1, 2]])
def test_every_setting_predicts_the_same(tmp_path: Path, name: str, categorical: Any) -> None:
    target, params = SETTINGS[name]
    if "monotone_constraints" in params and categorical != "auto":
        pytest.skip("LightGBM has no monotone constraints on categories")
    original = open_original(_text(target, params, categorical))
    proven = held.hold(original, tmp_path, MATRIX)
    assert proven.largest < 1e-12
    assert proven.of_splits > 500 or name == "constant"


def test_many_categories_on_one_side(tmp_path: Path) -> None:
    text = _text("binary", {"objective": "binary", "max_cat_to_onehot": 1, "cat_smooth": 1}, [1, 2])
    original = open_original(text)
    assert max(len(m) for t in original.trees for m in t.members if m) > 3
    assert held.hold(original, tmp_path, MATRIX).largest < 1e-12


def test_a_number_next_to_zero_is_zero_to_lightgbm(tmp_path: Path) -> None:
    """Its own threshold beside 0 is what a plain comparison of float64 gets wrong."""
    matrix, value = MATRIX.copy(), VALUE.copy()
    matrix[:300, 0], value[:300] = 0.0, 5.0
    rows = lightgbm.Dataset(matrix, value, params={"verbose": -1})
    booster = lightgbm.train({"verbose": -1, "seed": 1, "num_threads": 1}, rows, 20)
    original = open_original(booster.model_to_string().encode())
    beside = {t for tree in original.trees for t in tree.threshold if 0 < abs(t) < 1e-30}
    assert beside
    assert held.hold(original, tmp_path, matrix).largest < 1e-12
    tiny = matrix[:3].copy()
    tiny[:, 0] = [1e-36, -1e-36, -1e-35]
    assert np.array_equal(original.predict(tiny), booster.predict(tiny))


@pytest.mark.parametrize(
    ("target", "params", "why"),
    [
        ("value", {"objective": "regression", "linear_tree": True}, "linear_tree"),
        ("binary", {"objective": "binary", "zero_as_missing": True}, "zero_as_missing"),
    ],
)
def test_what_no_form_has_is_refused(target: str, params: dict[str, Any], why: str) -> None:
    with pytest.raises(UsageError, match=why) as caught:
        open_original(_text(target, params))
    assert why in (caught.value.hint or "")


def test_a_ranking_is_refused() -> None:
    rows = lightgbm.Dataset(MATRIX, TARGETS["binary"], group=[400, 400], params={"verbose": -1})
    booster = lightgbm.train({"objective": "lambdarank", "verbose": -1}, rows, 3)
    with pytest.raises(UsageError, match="lambdarank"):
        open_original(booster.model_to_string().encode())


def test_an_objective_of_ones_own_is_refused() -> None:
    def squares(predictions: Any, rows: Any) -> Any:
        return predictions - rows.get_label(), np.ones(len(predictions))

    rows = lightgbm.Dataset(MATRIX, VALUE, params={"verbose": -1})
    booster = lightgbm.train({"objective": squares, "verbose": -1}, rows, 3)
    with pytest.raises(UsageError, match="objective"):
        open_original(booster.model_to_string().encode())


def test_damaged_text_is_refused() -> None:
    text = _text("binary", {"objective": "binary"})
    with pytest.raises(UsageError, match="damaged"):
        open_original(text.replace(b"split_feature=", b"split=", 1))


def test_the_texts_of_pandas_categories_are_known(tmp_path: Path) -> None:
    frame = pd.DataFrame(MATRIX, columns=[*held.NAMES])
    frame["code"] = pd.Categorical.from_codes(
        np.nan_to_num(MATRIX[:, 1]).astype(int), list("edcba")
    )
    rows = lightgbm.Dataset(frame, TARGETS["binary"], params={"verbose": -1})
    booster = lightgbm.train(
        {"objective": "binary", "verbose": -1, "min_data_in_leaf": 5, "seed": 1}, rows, 20
    )
    original = open_original(booster.model_to_string().encode())
    assert original.names == held.NAMES
    assert original.categories == {1: tuple("edcba")}
    coded = MATRIX.copy()
    assert np.array_equal(original.predict(coded), booster.predict(frame))
    held.hold(original, tmp_path, coded)


def test_a_value_that_float32_puts_across_a_split_is_named(tmp_path: Path) -> None:
    moments = 1.7e9 + np.arange(held.ROWS, dtype=np.float64)
    matrix = MATRIX.copy()
    matrix[:, 3] = moments
    target = (moments > moments[401]).astype(int)
    rows = lightgbm.Dataset(matrix, target, params={"verbose": -1, "min_data_in_bin": 1})
    booster = lightgbm.train({"objective": "binary", "verbose": -1}, rows, 5)
    original = open_original(booster.model_to_string().encode())
    with pytest.raises(UsageError, match=r"of the data, by the feature `large` = 17.*32-bit"):
        held.hold(original, tmp_path, matrix)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (rb"left_child=\d+", b"left_child=0"),
        (rb"left_child=\d+", b"left_child=99"),
        (rb"split_feature=\d+", b"split_feature=77"),
    ],
)
def test_a_tree_that_is_none_is_refused(old: bytes, new: bytes) -> None:
    text = _text("value", {"objective": "regression", "seed": 1})
    assert re.search(old, text)
    with pytest.raises(UsageError, match="damaged"):
        open_original(re.sub(old, new, text, count=1))
