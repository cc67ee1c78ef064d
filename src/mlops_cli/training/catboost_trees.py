"""CatBoost's oblivious trees as trees whose every split is written out, in float64."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mlops_cli.training.tree_ensemble import Ensemble, Leaves
from mlops_cli.training.tree_splits import Tree, check

_DEEPEST = 16  # CatBoost's own limit


def ensemble_of(model: Mapping[str, Any], values: NDArray[np.float64], width: int) -> Ensemble:
    """The trees of a model's JSON form, one for each output; raises `ValueError` for what is none.

    `values` are the leaves' values of all trees as CatBoost holds them, of each leaf one an
    output. A row goes right where a feature is above the split's border, and the first split of a
    tree is the lowest bit of its leaf's number.
    """
    scale, bias = model["scale_and_bias"]
    outputs = len(bias)
    features = model["features_info"]["float_features"]
    trees: list[tuple[Tree, Leaves]] = [
        (Tree((), (), (), (), ()), Leaves(k, [float(each)], ())) for k, each in enumerate(bias)
    ]
    start = 0
    for tree in model["oblivious_trees"]:
        splits = [_split(split, features) for split in tree.get("splits") or ()]
        size = 2 ** len(splits) * outputs
        leaves = float(scale) * values[start : start + size].reshape(-1, outputs)
        start += size
        trees += _written_out(splits, leaves, width)
    if start != len(values):
        raise ValueError(f"{len(values)} values of leaves, and trees have {start}")
    return Ensemble(width, outputs, trees, 1.0, frozenset())


def _split(
    split: Mapping[str, Any], features: Sequence[Mapping[str, Any]]
) -> tuple[int, float, bool]:
    """Feature, border, and whether a missing value goes with what is not above it."""
    if split["split_type"] != "FloatFeature":
        raise ValueError(f"a split of the kind {split['split_type']}")
    feature = features[int(split["float_feature_index"])]
    border = float(np.float32(split["border"]))
    return int(feature["flat_feature_index"]), border, feature["nan_value_treatment"] != "AsTrue"


def _written_out(
    splits: Sequence[tuple[int, float, bool]], leaves: NDArray[np.float64], width: int
) -> list[tuple[Tree, Leaves]]:
    """One tree an output, whose node i has the children 2i + 1 (not above) and 2i + 2 (above)."""
    depth = len(splits)
    if depth > _DEEPEST:
        raise ValueError(f"a tree of depth {depth}")
    if not depth:
        none = Tree((), (), (), (), ())
        return [(none, Leaves(k, [float(v)], ())) for k, v in enumerate(leaves[0])]
    inner = 2**depth - 1
    levels = [level for level in range(depth) for _ in range(2**level)]
    children = [(_child(2 * i + 1, inner), _child(2 * i + 2, inner)) for i in range(inner)]
    tree = Tree(
        feature=[splits[level][0] for level in levels],
        threshold=[splits[level][1] for level in levels],
        left=[left for left, _ in children],
        right=[right for _, right in children],
        members=[None] * inner,
    )
    check(tree, width, 2**depth)
    missing = [splits[level][2] for level in levels]
    order = [_number(path, depth) for path in range(2**depth)]
    return [(tree, Leaves(k, leaves[order, k].tolist(), missing)) for k in range(leaves.shape[1])]


def _child(node: int, inner: int) -> int:
    return node if node < inner else ~(node - inner)


def _number(path: int, depth: int) -> int:
    """The leaf's number of a path from the root, whose first turn is the highest bit of `path`."""
    return sum(1 << level for level in range(depth) if path >> (depth - 1 - level) & 1)
