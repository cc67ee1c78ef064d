"""Trees as one ONNX operator whose splits, leaves and sums are float64, as LightGBM's are."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from onnx import TensorProto, checker, helper, numpy_helper

from mlops_cli.training.tree_splits import Tree

# Version 5 of the operators for machine learning has float64 on both ends, and sets of categories.
_OPSETS = {"": 18, "ai.onnx.ml": 5}
_IR = 9
_LEQ, _MEMBER = 0, 6  # node modes: x <= split, x in the set
Step = tuple[str, tuple[float, ...]]  # an operator, and constants that follow its input


@dataclass(frozen=True, slots=True)
class Leaves:
    """What a tree adds to which of the outputs, by leaf; and, a node each, where missing goes."""

    output: int
    values: Sequence[float]
    missing_left: Sequence[bool]


@dataclass(frozen=True, slots=True)
class Ensemble:
    """Trees whose sum (of each output) `scale` multiplies; `whole` features are cut to integers."""

    width: int
    outputs: int
    trees: Sequence[tuple[Tree, Leaves]]
    scale: float
    whole: frozenset[int]


End = Literal["value", "two classes", "classes"]


def to_onnx(ensemble: Ensemble, steps: Sequence[Step], end: End) -> bytes:
    """The ONNX file: float32 (n, width) in, float64 out; the same trees give the same bytes.

    `steps` follow the sum; the output is of shape (n, 1), or (n, k) for classes: of two of them
    the sum is the second's.
    """
    graph = _Graph()
    wide = graph.add("Cast", ["features"], to=TensorProto.DOUBLE)
    if ensemble.whole:
        wide = _cut(graph, wide, ensemble)
    split = [(tree, leaves) for tree, leaves in ensemble.trees if len(tree.feature)]
    flat = np.zeros(ensemble.outputs)
    for tree, leaves in ensemble.trees:
        if not len(tree.feature):  # one leaf, which the operator has no way to say
            flat[leaves.output] += leaves.values[0]
    total = graph.constant(flat[None])
    if split:
        attributes = _attributes(split)
        made = graph.add(
            "TreeEnsemble",
            [wide],
            domain="ai.onnx.ml",
            aggregate_function=1,
            n_targets=ensemble.outputs,
            **attributes,
        )
        total = graph.add("Add", [made, total])
    else:
        total = graph.add("Add", [graph.add("Mul", [_column(graph, wide), _zero(graph)]), total])
    if ensemble.scale != 1:
        total = graph.add("Mul", [total, graph.constant(np.array(ensemble.scale))])
    for operator, constants in steps:
        if operator == "SignedSquare":
            total = graph.add("Mul", [total, graph.add("Abs", [total])])
            continue
        given = [graph.constant(np.array(value)) for value in constants]
        total = graph.add(operator, [total, *given])
    if end == "two classes":
        other = graph.add("Sub", [graph.constant(np.array(1.0)), total])
        total = graph.add("Concat", [other, total], axis=1)
    return graph.finish(total, ensemble.width, 2 if end == "two classes" else ensemble.outputs)


def _cut(graph: _Graph, wide: str, ensemble: Ensemble) -> str:
    """Codes of categories as LightGBM reads them: what stands behind the point is cut."""
    mask = np.zeros((1, ensemble.width), np.bool_)
    mask[0, sorted(ensemble.whole)] = True
    size = graph.add("Floor", [graph.add("Abs", [wide])])
    cut = graph.add("Mul", [graph.add("Sign", [wide]), size])
    return graph.add("Where", [graph.constant(mask), cut, wide])


def _column(graph: _Graph, wide: str) -> str:
    """Zeros of shape (n, 1), by which a model without any split answers each row."""
    known = graph.add("Where", [graph.add("IsNaN", [wide]), _zero(graph), wide])
    return graph.add("ReduceMax", [known], keepdims=1, noop_with_empty_axes=0, axes=[1])


def _zero(graph: _Graph) -> str:
    return graph.constant(np.array(0.0))


def _attributes(trees: Sequence[tuple[Tree, Leaves]]) -> Mapping[str, Any]:
    roots: list[int] = []
    features: list[int] = []
    modes: list[int] = []
    missing: list[int] = []
    splits: list[float] = []
    children: dict[str, list[int]] = {"true": [], "false": []}
    leaf: dict[str, list[int]] = {"true": [], "false": []}
    targets: list[int] = []
    weights: list[float] = []
    members: list[float] = []
    for tree, leaves in trees:
        first, first_leaf = len(features), len(weights)
        roots.append(first)
        features += tree.feature
        missing += map(int, leaves.missing_left)
        for node, among in enumerate(tree.members):
            modes.append(_LEQ if among is None else _MEMBER)
            splits.append(tree.threshold[node] if among is None else 0.0)
            if among is not None:
                members += [*map(float, sorted(among)), float("nan")]
            for side, child in (("true", tree.left[node]), ("false", tree.right[node])):
                leaf[side].append(int(child < 0))
                children[side].append(first_leaf + ~child if child < 0 else first + child)
        targets += [leaves.output] * len(leaves.values)
        weights += leaves.values
    found = {
        "tree_roots": roots,
        "nodes_featureids": features,
        "nodes_modes": numpy_helper.from_array(np.array(modes, np.uint8), "nodes_modes"),
        "nodes_splits": numpy_helper.from_array(np.array(splits, np.float64), "nodes_splits"),
        "nodes_missing_value_tracks_true": missing,
        "nodes_truenodeids": children["true"],
        "nodes_trueleafs": leaf["true"],
        "nodes_falsenodeids": children["false"],
        "nodes_falseleafs": leaf["false"],
        "leaf_targetids": targets,
        "leaf_weights": numpy_helper.from_array(np.array(weights, np.float64), "leaf_weights"),
    }
    if members:
        values = np.array(members, np.float64)
        found["membership_values"] = numpy_helper.from_array(values, "membership_values")
    return found


class _Graph:
    """Nodes in order, each with one output, and constants."""

    def __init__(self) -> None:
        self._nodes: list[Any] = []
        self._constants: list[Any] = []

    def add(self, operator: str, inputs: Sequence[str], **attributes: Any) -> str:
        """Add a node and return its output's name."""
        given = list(inputs)
        if (axes := attributes.pop("axes", None)) is not None:
            given.append(self.constant(np.array(axes, np.int64)))
        name = f"n{len(self._nodes)}"
        self._nodes.append(helper.make_node(operator, given, [name], name=name, **attributes))
        return name

    def constant(self, value: NDArray[Any]) -> str:
        """Add a constant and return its name."""
        name = f"c{len(self._constants)}"
        self._constants.append(numpy_helper.from_array(value, name))
        return name

    def finish(self, last: str, width: int, outputs: int) -> bytes:
        """The file's bytes; the output of `last` is the graph's only one."""
        taken = helper.make_tensor_value_info("features", TensorProto.FLOAT, [None, width])
        given = helper.make_tensor_value_info(last, TensorProto.DOUBLE, [None, outputs])
        graph = helper.make_graph(self._nodes, "model", [taken], [given], self._constants)
        opsets = [helper.make_opsetid(domain, version) for domain, version in _OPSETS.items()]
        model = helper.make_model(graph, opset_imports=opsets, ir_version=_IR)
        checker.check_model(model)
        return bytes(model.SerializeToString(deterministic=True))
