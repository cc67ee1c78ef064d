"""XGBoost's own files: what is served is what its own `predict` says, or is refused."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import xgboost

import held
from mlops_cli.errors import UsageError
from mlops_cli.importing.xgboost import open_original

MATRIX, VALUE = held.rows()
BINARY, CLASSES = (VALUE > 0).astype(int), np.digitize(VALUE, [-1, 1])
SETTINGS: dict[str, tuple[Any, dict[str, Any]]] = {
    "binary": (BINARY, {"objective": "binary:logistic"}),
    "base score": (BINARY, {"objective": "binary:logistic", "base_score": 0.1}),
    "dart": (BINARY, {"objective": "binary:logistic", "booster": "dart", "rate_drop": 0.5}),
    "forest": (BINARY, {"objective": "binary:logistic", "num_parallel_tree": 4}),
    "lossguide": (BINARY, {"objective": "binary:logistic", "grow_policy": "lossguide"}),
    "softprob": (CLASSES, {"objective": "multi:softprob", "num_class": 3}),
    "logistic": (BINARY, {"objective": "reg:logistic"}),
    "absolute": (VALUE, {"objective": "reg:absoluteerror"}),
    "quantile": (VALUE, {"objective": "reg:quantileerror", "quantile_alpha": 0.9}),
    "gamma": (np.exp(VALUE), {"objective": "reg:gamma"}),
    "poisson": (np.exp(VALUE), {"objective": "count:poisson"}),
    "tweedie": (np.exp(VALUE), {"objective": "reg:tweedie"}),
}


def _booster(target: Any, params: dict[str, Any], rounds: int = 10) -> Any:
    return xgboost.train({"seed": 1, **params}, xgboost.DMatrix(MATRIX, target), rounds)


@pytest.mark.parametrize("name", SETTINGS)
@pytest.mark.parametrize("form", ["json", "ubj"])
def test_every_setting_predicts_the_same(tmp_path: Path, name: str, form: str) -> None:
    original = open_original(bytes(_booster(*SETTINGS[name]).save_raw(form)))
    proven = held.hold(original, tmp_path, MATRIX)
    assert proven.largest < 1e-6
    assert proven.of_splits > 500


@pytest.mark.parametrize(
    ("target", "params", "why"),
    [
        (CLASSES, {"objective": "multi:softmax", "num_class": 3}, "multi:softmax"),
        (BINARY, {"objective": "binary:logitraw"}, "binary:logitraw"),
        (BINARY, {"objective": "binary:hinge"}, "binary:hinge"),
        (BINARY, {"objective": "rank:ndcg"}, "rank:ndcg"),
        (np.exp(VALUE), {"objective": "survival:cox"}, "survival:cox"),
        (VALUE, {"booster": "gblinear"}, "gblinear"),
        (np.c_[VALUE, VALUE], {"objective": "reg:squarederror"}, "2 values a row"),
    ],
)
@pytest.mark.filterwarnings("ignore:.*gblinear.*")
def test_what_cannot_be_served_is_refused(target: Any, params: dict[str, Any], why: str) -> None:
    with pytest.raises(UsageError, match=why):
        open_original(bytes(_booster(target, params, 3).save_raw("json")))


def test_a_classifier_that_was_fitted_as_a_regression_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "model.json"
    model = xgboost.XGBClassifier(n_estimators=3, objective="reg:squarederror")
    model.fit(MATRIX, BINARY).save_model(file)
    with pytest.raises(UsageError, match="objective of its own"):
        open_original(file.read_bytes())


def test_after_early_stopping_an_estimator_ends_with_the_best_round(tmp_path: Path) -> None:
    model = xgboost.XGBClassifier(n_estimators=200, early_stopping_rounds=5, learning_rate=0.5)
    model.fit(MATRIX[:400], BINARY[:400], eval_set=[(MATRIX[400:], BINARY[400:])], verbose=False)
    assert model.best_iteration + 1 < model.get_booster().num_boosted_rounds()
    file = tmp_path / "model.json"
    model.save_model(file)
    original = open_original(file.read_bytes())
    held.hold(original, tmp_path, MATRIX)
    chances = model.predict_proba(MATRIX)[:, 1]
    assert np.array_equal(original.predict(MATRIX), chances.astype(np.float64))
    assert "first" in original.remarks[0]


def test_after_early_stopping_a_booster_uses_all_rounds(tmp_path: Path) -> None:
    booster = xgboost.train(
        {"objective": "binary:logistic", "eta": 0.5},
        xgboost.DMatrix(MATRIX[:400], BINARY[:400]),
        200,
        evals=[(xgboost.DMatrix(MATRIX[400:], BINARY[400:]), "held")],
        early_stopping_rounds=5,
        verbose_eval=False,
    )
    original = open_original(bytes(booster.save_raw("ubj")))
    held.hold(original, tmp_path, MATRIX)
    wanted = booster.predict(xgboost.DMatrix(MATRIX))
    assert np.array_equal(original.predict(MATRIX), wanted.astype(np.float64))
    assert "all" in original.remarks[0]


def test_the_texts_of_its_categories_are_known(tmp_path: Path) -> None:
    frame = pd.DataFrame(MATRIX, columns=[*held.NAMES])
    frame["code"] = pd.Categorical.from_codes(
        np.nan_to_num(MATRIX[:, 1]).astype(int), list("edcba")
    )
    model = xgboost.XGBClassifier(n_estimators=10, enable_categorical=True, max_cat_to_onehot=1)
    file = tmp_path / "model.ubj"
    model.fit(frame, BINARY).save_model(file)
    original = open_original(file.read_bytes())
    assert original.names == held.NAMES
    assert original.categories == {1: tuple("edcba")}
    assert any(m for t in original.trees for m in t.members if m)
    held.hold(original, tmp_path, MATRIX)
    wanted = model.predict_proba(frame)[:, 1].astype(np.float64)
    assert np.array_equal(original.predict(MATRIX), wanted)


def test_categories_of_numbers_that_were_coded_anew_are_refused() -> None:
    frame = pd.DataFrame({"code": pd.Categorical(MATRIX[:, 1].astype(int) * 10)})
    model = xgboost.XGBClassifier(n_estimators=3, enable_categorical=True).fit(frame, BINARY)
    with pytest.raises(UsageError, match="coded anew"):
        open_original(bytes(model.get_booster().save_raw("json")))


def test_damaged_json_is_refused() -> None:
    with pytest.raises(UsageError, match="cannot read it"):
        open_original(b'{"learner": {}}')


@pytest.mark.parametrize("form", ["json", "ubj"])
def test_a_file_whose_trees_would_end_xgboost_is_refused_before(form: str) -> None:
    content = bytes(_booster(*SETTINGS["binary"]).save_raw(form))
    numbers = {"json": (b'"tree_info":[0,', b'"tree_info":[9,'),
               "ubj": (b"tree_info[#L" + bytes(7) + b"\x0ai\x00",
                       b"tree_info[#L" + bytes(7) + b"\x0ai\x09")}[form]  # fmt: skip
    assert content.count(numbers[0]) == 1
    with pytest.raises(UsageError, match="cannot read it: a tree is of an output that is none"):
        open_original(content.replace(*numbers))
