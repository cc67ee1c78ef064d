"""A fitted pipeline as ONNX, and the proof that it predicts the same."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import numpy as np
import onnx
import onnxruntime
import skl2onnx
from google.protobuf.message import DecodeError
from numpy.typing import NDArray
from skl2onnx.common import tree_ensemble
from skl2onnx.common.data_types import FloatTensorType
from skl2onnx.sklapi import CastTransformer

from mlops_cli.bundle.manifest import Task

OPSET = {"": 18, "ai.onnx.ml": 3}
ABSOLUTE, RELATIVE = 1e-6, 1e-5  # what "the same prediction" means


def cast_to_double() -> Any:
    """A step that widens float32: sums in float32 would differ from scikit-learn's own."""
    return CastTransformer(dtype=np.float64)


def to_onnx(pipeline: Any, width: int, task: Task, notes: Mapping[str, str]) -> bytes:
    """The pipeline's ONNX form: float32 (n, width) in; the last output holds the predictions.

    `notes` are texts in the file that play no part when it is run. The same fitted pipeline gives
    the same bytes. Raises whatever skl2onnx raises where it cannot.
    """
    options = {id(pipeline): {"zipmap": False}} if task != "regression" else None
    with leaves_as_numbers():
        made = skl2onnx.to_onnx(
            pipeline,
            initial_types=[("features", FloatTensorType([None, width]))],
            options=options,
            target_opset=OPSET,
        )
    made.graph.name = "model"  # skl2onnx draws a random one
    made.graph.doc_string = ""
    for key, text in notes.items():
        made.metadata_props.add(key=key, value=text)
    return bytes(made.SerializeToString(deterministic=True))


def note_of(content: bytes, key: str) -> str | None:
    """A text that `to_onnx` put into the file; None where there is none, or it is no ONNX."""
    try:
        notes = onnx.ModelProto.FromString(content).metadata_props
    except DecodeError:
        return None
    return next((note.value for note in notes if note.key == key), None)


def difference(
    content: bytes, matrix: NDArray[np.float32], wanted: NDArray[np.float64], task: Task
) -> str | None:
    """The worst of the predictions that are not the same, as text; None where all are.

    `wanted` are predictions of `matrix` as `Fitted.predict` gives them.
    """
    onnxruntime.disable_telemetry_events()
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(content, options, providers=["CPUExecutionProvider"])
    raw = session.run([session.get_outputs()[-1].name], {"features": matrix})[0]
    found = np.asarray(raw, dtype=np.float64)
    found = found[:, 1] if task == "binary" else found.reshape(wanted.shape)
    excess = np.abs(found - wanted) - (ABSOLUTE + RELATIVE * np.abs(wanted))
    if not (excess > 0).any() and np.isfinite(found).all():
        return None
    at = np.unravel_index(int(np.nanargmax(excess)), excess.shape)
    return f"{found[at]:.9g} where scikit-learn says {wanted[at]:.9g}"


@contextmanager
def leaves_as_numbers() -> Iterator[None]:
    """Have skl2onnx convert histogram trees in this block."""
    # skl2onnx 1.20 writes a leaf's flag of histogram trees as False, and protobuf 7 wants a number.
    add_node = tree_ensemble.add_node

    def numbered(*args: Any, nodes_missing_value_tracks_true: Any = 0, **kwargs: Any) -> Any:
        flag = int(nodes_missing_value_tracks_true)
        return add_node(*args, nodes_missing_value_tracks_true=flag, **kwargs)

    tree_ensemble.add_node = numbered
    try:
        yield
    finally:
        tree_ensemble.add_node = add_node
