"""A file of XGBoost's that says two things, or what would crash who predicts, is refused."""

from __future__ import annotations

import copy
import json
import struct
from collections.abc import Callable
from functools import cache
from typing import Any

import numpy as np
import pytest
import xgboost

from mlops_cli.serving.ubjson import read_ubjson
from mlops_cli.serving.xgboost_trees import check_model, check_xgboost

Change = Callable[[dict[str, Any]], object]


@cache
def _trained(booster: str, classes: int) -> bytes:
    x = np.random.default_rng(0).random((200, 4))
    y = (x[:, 0] * classes).astype(int) if classes else x[:, 0]
    parameters: dict[str, Any] = {"booster": booster, "objective": "reg:squarederror"}
    if booster != "gblinear":
        parameters |= {"max_depth": 2, "num_parallel_tree": 2}
    if classes:
        parameters |= {"objective": "multi:softprob", "num_class": classes}
    return bytes(xgboost.train(parameters, xgboost.DMatrix(x, y), 3).save_raw("json"))


def _model(booster: str, classes: int = 0) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(_trained(booster, classes))
    return found


def _forest(model: dict[str, Any]) -> dict[str, Any]:
    booster = model["learner"]["gradient_booster"]
    forest: dict[str, Any] = booster.get("gbtree", booster)["model"]
    return forest


def _in_booster(**values: Any) -> Change:
    return lambda model: model["learner"]["gradient_booster"].update(values)


def _in_forest(**values: Any) -> Change:
    return lambda model: _forest(model).update(values)


def _in_tree(number: int, **values: Any) -> Change:
    return lambda model: _forest(model)["trees"][number].update(values)


@pytest.mark.parametrize("classes", [0, 3])
@pytest.mark.parametrize("booster", ["gbtree", "dart", "gblinear"])
def test_what_xgboost_writes_is_read(booster: str, classes: int) -> None:
    model = _model(booster, classes)
    check_model(model)
    again = xgboost.Booster(model_file=bytearray(_trained(booster, classes)))
    check_xgboost(bytes(again.save_raw("ubj")))
    if booster != "gblinear":
        del _forest(model)["iteration_indptr"]  # as before XGBoost 2
        check_model(model)


CASES: list[tuple[str, str, Change, str]] = [
    ("a booster that is none", "gbtree", _in_booster(name="gbforest"), "its booster is 'gbforest'"),
    ("trees beside another name", "gbtree", _in_booster(name="gblinear"), "no model of XGBoost"),
    ("a dart that is named a gbtree", "dart", _in_booster(name="gbtree"), "no model of XGBoost"),
    ("a tree of an output that is none", "gbtree", _in_forest(tree_info=[0, 0, 0, 0, 0, 1]),
     "output that is none of its 1"),
    ("a tree of an output below 0", "gbtree", _in_forest(tree_info=[-1, 0, 0, 0, 0, 0]),
     "output that is none"),
    ("outputs of fewer trees", "gbtree", _in_forest(tree_info=[0] * 5), "not of one length"),
    ("an output that is no number", "gbtree", _in_forest(tree_info=[0.5] * 6), "whole numbers"),
    ("more trees than are there", "gbtree", _in_forest(gbtree_model_param={"num_trees": "7"}),
     "not of one length"),
    ("a tree twice", "gbtree", _in_tree(0, id=1), "numbers from 0 on, each once"),
    ("a tree that is none of them", "gbtree", _in_tree(5, id=6), "numbers from 0 on, each once"),
    ("a tree without nodes", "gbtree", _in_tree(1, left_children=[]), "has no nodes"),
    ("leaves that are vectors", "gbtree",
     _in_tree(0, tree_param={"num_nodes": "7", "size_leaf_vector": "3"}), "are vectors"),
    ("rounds beyond the trees", "gbtree", _in_forest(iteration_indptr=[0, 2, 4, 60]), "do not go"),
    ("rounds that end early", "gbtree", _in_forest(iteration_indptr=[0, 2, 4]), "do not go"),
    ("rounds that begin late", "gbtree", _in_forest(iteration_indptr=[2, 4, 6]), "do not go"),
    ("rounds that go back", "gbtree", _in_forest(iteration_indptr=[0, 4, 2, 6]), "do not go"),
    ("no rounds for trees", "gbtree", _in_forest(iteration_indptr=[]), "do not go"),
    ("fewer weights than trees", "dart", _in_booster(weight_drop=[1.0] * 5), "weighs 5 trees"),
    ("a weight that is NaN", "dart", _in_booster(weight_drop=[1.0] * 5 + [float("nan")]),
     "not a finite"),
    ("a tree of an output that is none (dart)", "dart", _in_forest(tree_info=[0] * 5 + [9]),
     "output that is none"),
    ("fewer weights than features", "gblinear", _in_forest(weights=[1.0] * 4), "has 4 weights"),
]  # fmt: skip


@pytest.mark.parametrize(
    ("booster", "change", "says"), [pytest.param(*rest, id=what) for what, *rest in CASES]
)
def test_it_is_refused_with_its_reason(booster: str, change: Change, says: str) -> None:
    model = copy.deepcopy(_model(booster))
    change(model)
    with pytest.raises(ValueError, match=says):
        check_model(model)


def test_each_tree_of_several_classes_is_of_one_of_them() -> None:
    model = _model("gbtree", 3)
    assert max(_forest(model)["tree_info"]) == 2
    model["learner"]["learner_model_param"]["num_class"] = "2"
    with pytest.raises(ValueError, match="output that is none of its 2"):
        check_model(model)


def _text(text: str) -> bytes:
    return b"U" + bytes([len(text)]) + text.encode()


def test_a_key_twice_in_an_object_is_refused() -> None:
    one, other = _text("a") + b"U\x01", _text("b") + b"U\x02"
    assert read_ubjson(b"{" + one + other + b"}") == {"a": 1, "b": 2}
    within = b"{" + _text("c") + b"[{" + one + other + one + b"}]}"
    for content in (b"{" + one + other + one + b"}", within):
        with pytest.raises(ValueError, match="the key 'a' stands twice"):
            read_ubjson(content)


@pytest.mark.parametrize(
    "length",
    [b"d" + struct.pack(">f", 1), b"D" + struct.pack(">d", 1), b"T", b"Z", b"SU\x01", b"C\x01"],
)
def test_a_length_is_an_integer(length: bytes) -> None:
    for content in (b"S" + length + b"a", b"[#" + length + b"Z", b"[$U#" + length + b"a"):
        with pytest.raises(ValueError, match="a length is not an integer"):
            read_ubjson(content)
    assert read_ubjson(b"SI\x00\x01a") == "a"
