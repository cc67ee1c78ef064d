"""Boosters whose margins are averaged, as one booster: their trees side by side, leaves scaled."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import accumulate
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mlops_cli.serving.ubjson import read_ubjson
from mlops_cli.training.ubjson import write_ubjson

_Floats = NDArray[np.float64]
_Link = Callable[[_Floats], _Floats]


def averaged(contents: Sequence[bytes], weights: Sequence[float]) -> bytes:
    """The booster whose margin is the average of those of `contents`, weighed by `weights`.

    `contents` are UBJSON files of gbtree boosters of one objective, `weights` sum to 1. A margin is
    an intercept and a sum of leaves, so the average of margins is the sum over all trees of their
    leaves times their booster's weight: whatever holds of sums of trees (TreeSHAP, a direction in a
    feature, boosting that goes on) holds of it. Equal up to float32's rounding.
    """
    if len(contents) == 1:
        return contents[0]
    models = [read_ubjson(content) for content in contents]
    made = models[0]
    parts = [_forest(model) for model in models]
    trees = [
        _scaled(tree, weight)
        for part, weight in zip(parts, weights, strict=True)
        for tree in part["trees"]
    ]
    for number, tree in enumerate(trees):
        tree["id"] = number
    forest = _forest(made)
    forest["trees"] = trees
    forest["tree_info"] = [k for part in parts for k in part["tree_info"]]
    forest["iteration_indptr"] = _rounds([part["iteration_indptr"] for part in parts])
    forest["gbtree_model_param"]["num_trees"] = str(len(trees))
    _, back = _links(made["learner"]["objective"]["name"])
    scores = np.stack([base_margins(model["learner"]) for model in models])
    score = back(np.average(scores, axis=0, weights=weights)).astype(np.float32)
    made["learner"]["learner_model_param"]["base_score"] = (
        f"[{','.join(str(number) for number in score)}]"
    )
    return write_ubjson(made)


def base_margins(learner: Any) -> _Floats:
    """The margin that a booster's trees add to, one number or one a class."""
    link, _ = _links(learner["objective"]["name"])
    return link(_numbers(learner["learner_model_param"]["base_score"]))


def _forest(model: Any) -> dict[str, Any]:
    forest: dict[str, Any] = model["learner"]["gradient_booster"]["model"]
    return forest


def _scaled(tree: dict[str, Any], weight: float) -> dict[str, Any]:
    leaf = np.asarray(tree["left_children"]) == -1
    conditions = np.asarray(tree["split_conditions"], dtype=np.float32)
    # What inner nodes would weigh as leaves is scaled, too: readers of the file go by either.
    weights = np.asarray(tree["base_weights"], dtype=np.float32) * np.float32(weight)
    scaled = np.where(leaf, conditions * np.float32(weight), conditions)
    return {**tree, "split_conditions": scaled, "base_weights": weights}


def _rounds(ends: Sequence[Sequence[int]]) -> list[int]:
    """Where rounds begin and end, those of all boosters one after the other."""
    starts = accumulate((end[-1] for end in ends[:-1]), initial=0)
    pairs = zip(ends, starts, strict=True)
    return [0, *(start + each for end, start in pairs for each in end[1:])]


def _numbers(text: str) -> _Floats:
    return np.array([float(number) for number in text.strip("[]").split(",")])


def _links(objective: str) -> tuple[_Link, _Link]:
    """From a base score to a margin, and back."""
    if objective == "binary:logistic":
        return lambda p: np.log(p / (1 - p)), lambda m: 1 / (1 + np.exp(-m))
    return lambda value: value, lambda margin: margin
