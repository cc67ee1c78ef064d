"""Hold the trees of `model.ubj` to what trees are, before XGBoost follows them."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from mlops_cli.serving.trees import check_paths
from mlops_cli.serving.ubjson import read_ubjson

_Array = npt.NDArray[Any]


def check_xgboost(content: bytes) -> None:
    """Raise `ValueError` for what is no UBJSON of XGBoost, or has trees that cannot be followed.

    XGBoost checks none of it: a feature that does not exist is read from whatever stands in memory
    behind a row, and a cycle never ends.
    """
    model = read_ubjson(content)
    try:
        features = int(model["learner"]["learner_model_param"]["num_feature"])
        booster = model["learner"]["gradient_booster"]
        # In a dart stands a gbtree; a linear model has no trees.
        trees = booster.get("gbtree", booster).get("model", {}).get("trees", ())
        if trees:
            _check(trees, features)
    except (AttributeError, KeyError, TypeError) as e:
        raise ValueError(f"it is no model of XGBoost: {type(e).__name__} {e}") from e


def _check(trees: list[dict[str, Any]], features: int) -> None:
    sizes = [len(tree["left_children"]) for tree in trees]
    for tree, size in zip(trees, sizes, strict=True):
        lengths = {len(tree[k]) for k in ("right_children", "split_indices", "split_conditions")}
        if lengths | {int(tree["tree_param"]["num_nodes"])} != {size}:
            raise ValueError("a tree's lists are not of one length")
        _check_categories(tree, size)
    children = np.stack([_all(trees, "left_children"), _all(trees, "right_children")], axis=1)
    if ((children[:, 0] == -1) != (children[:, 1] == -1)).any():
        raise ValueError("a node has one child")
    within = np.repeat(sizes, sizes)[:, None]
    if ((children < -1) | (children >= within)).any():
        raise ValueError("a node's child does not exist")
    start = np.repeat(np.cumsum([0, *sizes[:-1]]), sizes)[:, None]
    check_paths(np.where(children == -1, -1, children + start))
    splits = _all(trees, "split_indices")[children[:, 0] != -1]
    if splits.size and (splits.min() < 0 or splits.max() >= features):
        raise ValueError(f"a tree splits by feature {splits.max()}, and the model has {features}")
    if not np.isfinite(np.concatenate([tree["split_conditions"] for tree in trees])).all():
        raise ValueError("a threshold or a leaf is not a finite number")


def _check_categories(tree: dict[str, Any], nodes: int) -> None:
    lists = [tree.get(f"categories_{k}", ()) for k in ("nodes", "segments", "sizes")]
    if not any(map(len, lists)):
        return
    of, starts, sizes = map(_integers, lists)
    if not len(of) == len(starts) == len(sizes):
        raise ValueError("a tree's lists of categories are not of one length")
    known = len(tree.get("categories", ()))
    if min(of.min(), starts.min(), sizes.min()) < 0 or of.max() >= nodes:
        raise ValueError("categories are of a node that does not exist")
    if (sizes > known - starts).any():
        raise ValueError(f"a node has categories beyond the {known} of its tree")


def _all(trees: list[dict[str, Any]], key: str) -> npt.NDArray[np.int64]:
    return np.concatenate([_whole(tree[key]) for tree in trees]).astype(np.int64)


def _integers(values: Any) -> npt.NDArray[np.int64]:
    return _whole(values).astype(np.int64)


def _whole(values: Any) -> _Array:
    found: _Array = np.asarray(values)
    if found.size and found.dtype.kind not in "iu":
        raise TypeError("a list of whole numbers holds something else")
    return found
