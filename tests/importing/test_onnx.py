"""ONNX files of several forms become one matrix in and one array out, or are refused."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from skl2onnx import to_onnx
from skl2onnx.common.data_types import DoubleTensorType, FloatTensorType, Int64TensorType
from sklearn.compose import make_column_transformer
from sklearn.ensemble import RandomForestClassifier, RandomForestRegressor
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.pipeline import make_pipeline

import held
from mlops_cli.errors import UsageError
from mlops_cli.importing.onnx import open_original

_, VALUE = held.rows()
MATRIX = np.nan_to_num(_)
TEXTS = np.array(["no", "yes"])[(VALUE > 0).astype(int)]


def _file(target: Any, inputs: Any, *, zipmap: bool = False, trees: bool = True) -> bytes:
    known: Any = LinearRegression()
    if trees:
        kind = RandomForestRegressor if target.dtype == np.float64 else RandomForestClassifier
        known = kind(10, random_state=0, max_depth=6)
    model = known.fit(MATRIX / [1, 1, 1, 1e6, 1], target)
    options = None if target.dtype == np.float64 else {id(model): {"zipmap": zipmap}}
    made = to_onnx(
        model, initial_types=inputs, options=options, target_opset={"": 18, "ai.onnx.ml": 3}
    )
    return bytes(made.SerializeToString())


ONE = [("X", FloatTensorType([None, 5]))]


@pytest.mark.parametrize("zipmap", [False, True])
def test_a_classifier_with_its_labels(tmp_path: Path, zipmap: bool) -> None:
    original = open_original(_file(TEXTS, ONE, zipmap=zipmap))
    assert (original.task, original.classes, original.names) == ("binary", ("no", "yes"), None)
    assert held.hold(original, tmp_path, MATRIX).largest == 0


def test_three_classes(tmp_path: Path) -> None:
    original = open_original(_file(np.digitize(VALUE, [-1, 1]), ONE, zipmap=True))
    assert (original.task, original.outputs, original.classes) == ("multiclass", 3, (0, 1, 2))
    held.hold(original, tmp_path, MATRIX)


@pytest.mark.parametrize("kind", [FloatTensorType, DoubleTensorType])
def test_a_regression_of_either_width(tmp_path: Path, kind: Any) -> None:
    original = open_original(_file(VALUE, [("X", kind([None, 5]))], trees=kind is FloatTensorType))
    assert (original.task, original.classes) == ("regression", None)
    held.hold(original, tmp_path, MATRIX)


def test_an_input_a_feature_has_the_names(tmp_path: Path) -> None:
    inputs = [(name, FloatTensorType([None, 1])) for name in held.NAMES]
    with_whole = [*inputs[:1], ("code", Int64TensorType([None, 1])), *inputs[2:]]
    for given in (inputs, with_whole):
        pipeline = make_pipeline(
            make_column_transformer(("passthrough", [*range(5)])), LogisticRegression(max_iter=1000)
        ).fit(MATRIX / [1, 1, 9, 1e6, 1], TEXTS)
        options = {id(pipeline): {"zipmap": False}}
        made = to_onnx(pipeline, initial_types=given, options=options, target_opset=18)
        original = open_original(bytes(made.SerializeToString()))
        assert original.names == held.NAMES
        assert not original.missing  # NaN, or no whole number
        held.hold(original, tmp_path, MATRIX)


def _changed(change: Any) -> bytes:
    model = onnx.load_model_from_string(_file(VALUE, ONE))
    change(model)
    return bytes(model.SerializeToString())


def _other_domain(model: Any) -> None:
    model.graph.node[0].domain = "com.example"


def _external(model: Any) -> None:
    tensor = onnx.numpy_helper.from_array(np.zeros(1, np.float32), "w")
    tensor.data_location = onnx.TensorProto.EXTERNAL
    model.graph.initializer.append(tensor)


def _text_input(model: Any) -> None:
    model.graph.input[0].type.tensor_type.elem_type = onnx.TensorProto.STRING


def _no_width(model: Any) -> None:
    model.graph.input[0].type.tensor_type.shape.dim[1].Clear()


def _two_outputs(model: Any) -> None:
    model.graph.output.append(model.graph.output[0])


@pytest.mark.parametrize(
    ("change", "why"),
    [
        (_other_domain, "com.example"),
        (_external, "external data"),
        (_text_input, "is text"),
        (_no_width, "is not of shape"),
        (_two_outputs, "2 outputs"),
    ],
)
def test_what_cannot_be_served_is_refused(change: Any, why: str) -> None:
    with pytest.raises(UsageError, match=why):
        open_original(_changed(change))


def test_bytes_that_are_none_are_refused() -> None:
    with pytest.raises(UsageError, match="ONNX"):
        open_original(b"\x08\xff\xff\xff")
