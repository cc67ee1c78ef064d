"""The forest that is written is one that a server follows; a damaged one it refuses to load."""

from __future__ import annotations

from typing import Any

import numpy as np
import onnx
import pytest

from mlops_cli.serving.onnx_graph import check_onnx
from mlops_cli.training.tree_ensemble import Ensemble, Leaves, to_onnx
from mlops_cli.training.tree_splits import Tree

TREE = Tree((0, 1), (0.1, 0.0), (1, -1), (-3, -2), (None, frozenset({1, 3})))
LEAVES = Leaves(0, (1.0, 2.0, 3.0), (True, False))
ENSEMBLE = Ensemble(2, 1, [(TREE, LEAVES)], 1.0, frozenset({1}))


def _damaged(name: str, value: Any) -> bytes:
    """The file with one list of its forest changed."""
    model = onnx.load_model_from_string(to_onnx(ENSEMBLE, [], "value"))
    node = next(n for n in model.graph.node if n.op_type == "TreeEnsemble")
    kept = [a for a in node.attribute if a.name != name]
    del node.attribute[:]
    node.attribute.extend([*kept, onnx.helper.make_attribute(name, value)])
    return bytes(model.SerializeToString())


def _doubles(values: list[float]) -> Any:
    return onnx.numpy_helper.from_array(np.array(values, np.float64))


def test_what_is_written_can_be_followed() -> None:
    (forest,) = check_onnx(to_onnx(ENSEMBLE, [], "value"))
    assert forest.last == 1


@pytest.mark.parametrize(
    ("name", "value", "why"),
    [
        ("nodes_truenodeids", [0, 0], "cycle"),
        ("nodes_truenodeids", [7, 0], "does not exist"),
        ("nodes_falsenodeids", [9, 1], "does not exist"),
        ("tree_roots", [2], "does not exist"),
        ("leaf_targetids", [0, 0, 1], "does not exist"),
        ("leaf_targetids", [0, 0], "leaves"),
        ("nodes_featureids", [0, -1], "below 0"),
        ("nodes_featureids", [0], "one length"),
        ("nodes_splits", _doubles([np.nan, 0]), "NaN"),
        ("leaf_weights", _doubles([np.nan, 0, 0]), "NaN"),
        ("membership_values", _doubles([1, 3]), "no set"),
        ("nodes_modes", onnx.numpy_helper.from_array(np.array([9, 6], np.uint8)), "mode"),
        ("nodes_splits", onnx.helper.make_tensor("s", 11, [2], [0.1, 0.0]), "bytes"),
    ],
)
def test_a_damaged_forest_is_refused(name: str, value: Any, why: str) -> None:
    with pytest.raises(ValueError, match=why):
        check_onnx(_damaged(name, value))
