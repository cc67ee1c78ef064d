"""LightGBM's text models as trees in float64: every float32 row goes LightGBM's own way."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np

from mlops_cli.bundle.manifest import Task
from mlops_cli.training.tree_ensemble import End, Ensemble, Leaves, Step
from mlops_cli.training.tree_splits import Tree, check

_CATEGORY, _LEFT, _ZERO, _NAN = 1, 2, 4, 8  # bits of `decision_type`: kind, default, missing type
_AS_IT_IS = ("regression_l1", "huber", "fair", "quantile", "mape")
_EXP = ("poisson", "gamma", "tweedie")
_SIGMOID: Step = ("Sigmoid", ())
_ZERO_TO = float(np.float32(1e-35))  # LightGBM reads what is not farther from 0 as 0


class Inexact(Exception):
    """A model that no form for serving predicts exactly as: why, and what to do about it."""

    def __init__(self, why: str, *, hint: str) -> None:
        super().__init__(why)
        self.why = why
        self.hint = hint


@dataclass(frozen=True, slots=True)
class TextModel:
    """A text model: its header, its trees, and the lists of categories that pandas had."""

    header: Mapping[str, str]
    trees: Sequence[Mapping[str, str]]
    categories: Sequence[Sequence[Any]]

    @property
    def objective(self) -> Sequence[str]:
        """The objective's words."""
        return self.header.get("objective", "").split()

    @property
    def width(self) -> int:
        """The number of features."""
        return int(self.header["max_feature_idx"]) + 1


def parsed(text: str) -> TextModel:
    """The model in a text file; of what is none something is missing, which its readers notice."""
    head, *blocks = re.split(r"^Tree=", text.split("\nend of trees")[0], flags=re.M)
    found = re.search(r"^pandas_categorical:(.*)$", text, flags=re.M)
    return TextModel(
        header=dict(_pairs(head)),
        trees=[dict(_pairs(block)) for block in blocks],
        categories=(json.loads(found[1]) if found else None) or (),
    )


def _pairs(block: str) -> Iterator[tuple[str, str]]:
    for line in block.splitlines():
        key, _, value = line.partition("=")
        yield key, value
        if line == "average_output":
            yield line, "1"


def ensemble_of(model: TextModel) -> Ensemble:
    """Its trees; raises `Inexact` for what no tree for serving does, `ValueError` for no tree."""
    outputs = int(model.header["num_tree_per_iteration"])
    trees = [_tree(tree, i, outputs, model.width) for i, tree in enumerate(model.trees)]
    members = {f for tree, _ in trees for f, m in _splits(tree) if m is not None}
    if numeric := members & {f for tree, _ in trees for f, m in _splits(tree) if m is None}:
        raise Inexact(
            f"the feature {min(numeric)} is split as a number and as a category",
            hint="train it again with one categorical_feature for all rounds",
        )
    averaged = "average_output" in model.header and len(trees)
    scale = outputs / len(trees) if averaged else 1.0
    return Ensemble(model.width, outputs, trees, scale, frozenset(members))


def _splits(tree: Tree) -> Iterator[tuple[int, frozenset[int] | None]]:
    return zip(tree.feature, tree.members, strict=True)


def _tree(block: Mapping[str, str], number: int, outputs: int, width: int) -> tuple[Tree, Leaves]:
    if block.get("is_linear", "0") != "0":
        raise Inexact(
            "its leaves are linear models (linear_tree), which no form for serving has",
            hint="train it again with linear_tree=false",
        )
    values = _floats(block["leaf_value"])
    output = number % outputs
    if int(block["num_leaves"]) == 1:
        return Tree((), (), (), (), ()), Leaves(output, values, ())
    kinds = _ints(block["decision_type"])
    thresholds = [*map(_beside_zero, _floats(block["threshold"]))]
    if any((kind & (_ZERO | _NAN)) == _ZERO for kind in kinds):
        raise Inexact(
            f"tree {number} takes zeros for missing values (zero_as_missing): a zero would go "
            "another way than its split says",
            hint="train it again with zero_as_missing=false",
        )
    sets = _sets(block)
    members = [
        sets[int(t)] if k & _CATEGORY else None for k, t in zip(kinds, thresholds, strict=True)
    ]
    tree = Tree(
        feature=_ints(block["split_feature"]),
        threshold=thresholds,
        left=_ints(block["left_child"]),
        right=_ints(block["right_child"]),
        members=members,
    )
    check(tree, width, len(values))
    missing = [_missing_left(k, t) for k, t in zip(kinds, thresholds, strict=True)]
    return tree, Leaves(output, values, missing)


def _beside_zero(threshold: float) -> float:
    """The threshold by which plain numbers part as LightGBM parts them: those next to 0 are 0."""
    if -_ZERO_TO <= threshold < 0:
        return float(np.nextafter(-_ZERO_TO, -np.inf))
    return _ZERO_TO if 0 <= threshold < _ZERO_TO else threshold


def _missing_left(kind: int, threshold: float) -> bool:
    """LightGBM reads a missing value as 0 where training had none; a missing category is right."""
    if kind & _CATEGORY:
        return False
    return bool(kind & _LEFT) if kind & _NAN else threshold >= 0


def _sets(block: Mapping[str, str]) -> list[frozenset[int]]:
    """The members of each categorical split, from its bits."""
    ends, words = _ints(block.get("cat_boundaries", "")), _ints(block.get("cat_threshold", ""))
    return [
        frozenset(32 * i + b for i, w in enumerate(words[a:z]) for b in range(32) if w >> b & 1)
        for a, z in pairwise(ends)
    ]


def link_of(model: TextModel) -> tuple[Task, Sequence[Step], End]:
    """The task, and what stands between the sum of the trees and the prediction."""
    name, *rest = model.objective or [""]
    given = dict(word.partition(":")[::2] for word in rest)
    by = float(given.get("sigmoid", "1"))
    scaled: list[Step] = [("Mul", (by,))] if by != 1 else []
    if name == "binary":
        return "binary", [*scaled, _SIGMOID], "two classes"
    if name == "multiclass":
        return "multiclass", [("Softmax", ())], "classes"
    if name == "multiclassova":
        return "multiclass", [*scaled, _SIGMOID], "classes"
    if name in ("regression", *_AS_IT_IS):
        return "regression", [("SignedSquare", ())] if "sqrt" in rest else [], "value"
    if name in _EXP:
        return "regression", [("Exp", ())], "value"
    if name == "cross_entropy":
        return "regression", [_SIGMOID], "value"
    if name == "cross_entropy_lambda":
        return "regression", [("Softplus", ())], "value"
    raise Inexact(
        f"its objective is `{' '.join(model.objective) or 'one of your own'}`, and what a "
        "prediction of it means is not known here",
        hint="these can be: binary, multiclass, multiclassova, cross_entropy, "
        "cross_entropy_lambda, regression, "
        f"{', '.join((*_AS_IT_IS, *_EXP))}",
    )


def _ints(text: str) -> list[int]:
    return [int(word) for word in text.split()]


def _floats(text: str) -> list[float]:
    return [float(word) for word in text.split()]
