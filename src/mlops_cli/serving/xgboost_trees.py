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

    XGBoost checks little of it: a feature that does not exist is read from whatever stands in
    memory behind a row, a tree of an output that does not exist writes there, and a cycle never
    ends.
    """
    check_model(read_ubjson(content))


def check_model(model: Any) -> None:
    """The same for what was read of a file, of UBJSON or JSON."""
    try:
        about = model["learner"]["learner_model_param"]
        _check_booster(
            model["learner"]["gradient_booster"],
            features=int(about["num_feature"]),
            outputs=max(1, *(int(about.get(name, 1)) for name in ("num_class", "num_target"))),
        )
    except (AttributeError, KeyError, TypeError) as e:
        raise ValueError(f"it is no model of XGBoost: {type(e).__name__} {e}") from e


def _check_booster(booster: dict[str, Any], *, features: int, outputs: int) -> None:
    match booster["name"]:
        case "gbtree":
            _check_forest(booster["model"], features, outputs)
        case "dart":  # in it stands a gbtree
            n = _check_forest(booster["gbtree"]["model"], features, outputs)
            weights = np.asarray(booster["weight_drop"])
            if weights.shape != (n,):
                raise ValueError(f"it weighs {weights.size} trees, and has {n}")
            if n and not np.isfinite(weights).all():
                raise ValueError("a tree's weight is not a finite number")
        case "gblinear":
            n, wanted = len(booster["model"]["weights"]), (features + 1) * outputs
            if n != wanted:
                raise ValueError(f"it has {n} weights, and {wanted} are those of its features")
        case other:
            raise ValueError(f"its booster is {str(other)[:80]!a}: gbtree, dart or gblinear is one")


def _check_forest(model: dict[str, Any], features: int, outputs: int) -> int:
    """The number of its trees, each of which is of one of `outputs`, and there once."""
    trees, of = model["trees"], _integers(model["tree_info"])
    n = len(trees)
    if len(of) != n or int(model["gbtree_model_param"]["num_trees"]) != n:
        raise ValueError(f"its lists of trees are not of one length, which is {n}")
    if n and (of.min() < 0 or of.max() >= outputs):
        raise ValueError(f"a tree is of an output that is none of its {outputs}")
    ids = _integers([tree["id"] for tree in trees])
    if not np.array_equal(np.sort(ids), np.arange(n)):
        raise ValueError(f"its {n} trees do not have the numbers from 0 on, each once")
    if "iteration_indptr" in model:  # files of XGBoost before 2 have none
        rounds = _integers(model["iteration_indptr"])
        if [*rounds[:1], *rounds[-1:]] != [0, n] or (np.diff(rounds) < 0).any():
            raise ValueError(f"its rounds do not go from tree 0 to tree {n}")
    if n:
        _check(trees, features)
    return n


def _check(trees: list[dict[str, Any]], features: int) -> None:
    sizes = [len(tree["left_children"]) for tree in trees]
    for tree, size in zip(trees, sizes, strict=True):
        if int(tree["tree_param"].get("size_leaf_vector", 1)) > 1:
            raise ValueError("the leaves of a tree are vectors (multi_output_tree)")
        if not size:
            raise ValueError("a tree has no nodes")
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
