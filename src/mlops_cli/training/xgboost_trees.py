"""XGBoost's trees as its UBJSON file has them, as trees of the common form."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from mlops_cli.serving.ubjson import read_ubjson
from mlops_cli.training.bag import base_margins
from mlops_cli.training.tree_ensemble import Ensemble, Leaves
from mlops_cli.training.tree_splits import Tree, check


def tree_of(tree: Mapping[str, Any]) -> tuple[Tree, Sequence[int]]:
    """A tree's inner nodes, and its leaves' numbers in the file, in the order of the tree's.

    XGBoost's `x < t` is `x <= ` the float32 below; its sets go right.
    """
    inner, leaves = (
        [i for i, child in enumerate(tree["left_children"]) if (child >= 0) == split]
        for split in (True, False)
    )
    place = {node: n for n, node in enumerate(inner)} | {leaf: ~n for n, leaf in enumerate(leaves)}
    sets = {
        node: frozenset(tree["categories"][start : start + size])
        for node, start, size in zip(
            tree["categories_nodes"],
            tree["categories_segments"],
            tree["categories_sizes"],
            strict=True,
        )
    }
    sides = [(place[tree["left_children"][i]], place[tree["right_children"][i]]) for i in inner]
    below = np.nextafter(np.array(tree["split_conditions"], np.float32), np.float32(-np.inf))
    pairs = [pair[::-1] if i in sets else pair for i, pair in zip(inner, sides, strict=True)]
    made = Tree(
        feature=[tree["split_indices"][i] for i in inner],
        threshold=[float(below[i]) for i in inner],
        left=[left for left, _ in pairs],
        right=[right for _, right in pairs],
        members=[sets.get(i) for i in inner],
    )
    return made, leaves


def ensemble_of(content: bytes, width: int) -> Ensemble:
    """The trees of a gbtree booster without categories, whose sum in float64 is its margin.

    Leaves keep their float32 values, which XGBoost adds up in float32.
    """
    learner = read_ubjson(content)["learner"]
    forest = learner["gradient_booster"]["model"]
    base = base_margins(learner)
    outputs = max(1, int(learner["learner_model_param"]["num_class"]))
    starts = np.broadcast_to(base, outputs)
    trees = [(Tree((), (), (), (), ()), Leaves(k, [float(starts[k])], ())) for k in range(outputs)]
    for one, output in zip(forest["trees"], forest["tree_info"], strict=True):
        tree, leaves = tree_of(one)
        check(tree, width, len(leaves))
        inner = [i for i, child in enumerate(one["left_children"]) if child >= 0]
        values = [float(np.float32(one["split_conditions"][i])) for i in leaves]
        missing = [bool(one["default_left"][i]) for i in inner]
        trees.append((tree, Leaves(int(output), values, missing)))
    return Ensemble(width, outputs, trees, 1.0, frozenset())
