"""ONNX models: brought to one float32 matrix in and one output, and nothing else changed."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import onnxruntime
from google.protobuf.message import DecodeError
from numpy.typing import NDArray
from onnx import ModelProto, TensorProto, helper, load_model_from_string, numpy_helper

from mlops_cli.bundle.manifest import ClassLabel
from mlops_cli.importing.base import Original, refused
from mlops_cli.training.tree_splits import Numbers

_NUMPY: Mapping[int, Any] = {
    TensorProto.FLOAT: np.float32,
    TensorProto.DOUBLE: np.float64,
    TensorProto.INT64: np.int64,
    TensorProto.INT32: np.int32,
    TensorProto.BOOL: np.bool_,
}
_WHOLE = (TensorProto.INT64, TensorProto.INT32, TensorProto.BOOL)
_INPUT, _OUTPUT = "mlops_features", "mlops_output"
_LABELS = ("classlabels_int64s", "classlabels_strings", "classlabels_ints")


@dataclass(frozen=True, slots=True)
class _Form:
    """Inputs (name, type, columns), the output that predicts, and the labels of its columns."""

    inputs: Sequence[tuple[str, int, int]]
    output: str
    labels: tuple[ClassLabel, ...] | None
    is_map: bool

    @property
    def width(self) -> int:
        """The number of features."""
        return sum(columns for _, _, columns in self.inputs)


def open_original(content: bytes, *, classes: tuple[ClassLabel, ...] | None = None) -> Original:
    """The model of a file's content. Raises `UsageError` naming what cannot be served."""
    try:
        model = load_model_from_string(content)
    except DecodeError as e:
        raise refused(f"its ONNX is damaged: {e}", hint="export it again") from e
    _check(model)
    form = _form(model)
    session = _session(content)
    outputs, is_class = _outputs(session, form, model)
    single = len(form.inputs) == 1
    return Original(
        form=f"ONNX Runtime {onnxruntime.__version__}",
        kind="onnx",
        contents=(served(content),),
        task="regression" if not is_class else "binary" if outputs == 2 else "multiclass",
        width=form.width,
        predict=_predictor(session, form, outputs if is_class else 0),
        names=None if single else tuple(name for name, _, _ in form.inputs),
        classes=classes or form.labels,
        outputs=outputs if is_class else 0,
        missing=_takes_missing(session, form),
        remarks=() if is_class else ("one number a row: imported as a regression",),
    )


def served(content: bytes) -> bytes:
    """The model with one input, float32 (n, features), and one output, (n, k)."""
    model = load_model_from_string(content)
    form = _form(model)
    graph = model.graph
    zip_map = next((n for n in graph.node if form.is_map and n.op_type == "ZipMap"), None)
    if zip_map is not None:
        graph.node.remove(zip_map)
    first, start = [], 0
    for name, kind, columns in form.inputs:
        index = f"{name}_columns"
        wanted = np.arange(start, start + columns, dtype=np.int64)
        graph.initializer.append(numpy_helper.from_array(wanted, index))
        first.append(helper.make_node("Gather", [_INPUT, index], [f"{name}_taken"], axis=1))
        first.append(helper.make_node("Cast", [f"{name}_taken"], [name], to=kind))
        start += columns
    rest = list(graph.node)
    graph.initializer.append(numpy_helper.from_array(np.array([0, -1], np.int64), "mlops_shape"))
    shape = "mlops_shape"
    if form.labels is None and not form.is_map and _rank(model, form.output) == 1:
        graph.initializer.append(numpy_helper.from_array(np.array([-1, 1], np.int64), "mlops_one"))
        shape = "mlops_one"
    flat = helper.make_node("Reshape", [form.output, shape], ["mlops_flat"])
    last = helper.make_node("Cast", ["mlops_flat"], [_OUTPUT], to=TensorProto.DOUBLE)
    del graph.node[:], graph.input[:], graph.output[:]
    graph.node.extend([*first, *rest, flat, last])
    graph.input.append(helper.make_tensor_value_info(_INPUT, TensorProto.FLOAT, [None, form.width]))
    graph.output.append(helper.make_tensor_value_info(_OUTPUT, TensorProto.DOUBLE, [None, None]))
    graph.name, graph.doc_string = "model", ""
    return bytes(model.SerializeToString(deterministic=True))


def _check(model: ModelProto) -> None:
    domains = {node.domain for node in model.graph.node} | {o.domain for o in model.opset_import}
    if odd := sorted(d for d in domains if d not in ("", "ai.onnx", "ai.onnx.ml")):
        raise refused(
            f"it uses operators of `{odd[0]}`, which ONNX Runtime does not bring",
            hint="export it with operators of ONNX and ai.onnx.ml alone",
        )
    if any(t.data_location == TensorProto.EXTERNAL for t in model.graph.initializer):
        raise refused(
            "its weights stand in other files (external data)",
            hint="save it as one file: onnx.save_model(model, FILE, save_as_external_data=False)",
        )


def _form(model: ModelProto) -> _Form:
    known = {t.name for t in model.graph.initializer}
    inputs = [i for i in model.graph.input if i.name not in known]
    taken = [_input(i, alone=len(inputs) == 1) for i in inputs]
    maps = [n for n in model.graph.node if n.op_type == "ZipMap"]
    if maps:
        return _Form(taken, maps[0].input[0], _labels(maps), is_map=True)
    numbers = [o for o in model.graph.output if _elem(o) in (TensorProto.FLOAT, TensorProto.DOUBLE)]
    if len(numbers) != 1:
        raise refused(
            f"it has {len(numbers)} outputs of numbers: which of them is the prediction?",
            hint="export it with one output of floats, beside a label at the most",
        )
    labelled = len(model.graph.output) > 1
    return _Form(
        taken, numbers[0].name, _labels(model.graph.node) if labelled else None, is_map=False
    )


def _input(value: Any, *, alone: bool) -> tuple[str, int, int]:
    kind, shape = _elem(value), value.type.tensor_type.shape.dim
    columns = shape[1].dim_value if len(shape) == 2 else 0
    if kind not in _NUMPY:
        raise refused(
            f"its input `{value.name}` is text or no tensor of numbers",
            hint="export the model without what codes texts, and code them in the data",
        )
    if columns < 1 or (columns > 1 and not alone):
        raise refused(
            f"its input `{value.name}` is not of shape (rows, features)",
            hint="export it with one input (rows, features), or one of (rows, 1) for each feature",
        )
    return value.name, kind, columns


def _elem(value: Any) -> int:
    return int(value.type.tensor_type.elem_type)


def _rank(model: ModelProto, name: str) -> int:
    shape = next(o for o in model.graph.output if o.name == name).type.tensor_type.shape
    return len(shape.dim)


def _labels(nodes: Any) -> tuple[ClassLabel, ...] | None:
    found = [*_each_labels(nodes)]
    return found[-1] if found else None


def _each_labels(nodes: Any) -> Iterator[tuple[ClassLabel, ...]]:
    for node in nodes:
        for attribute in node.attribute:
            if attribute.name in _LABELS and (attribute.ints or attribute.strings):
                texts = tuple(s.decode() for s in attribute.strings)
                yield texts or tuple(int(i) for i in attribute.ints)


def _session(content: bytes) -> Any:
    onnxruntime.disable_telemetry_events()
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.log_severity_level = 4
    try:
        return onnxruntime.InferenceSession(content, options, providers=["CPUExecutionProvider"])
    except Exception as e:  # they have no base of their own
        raise refused(
            f"ONNX Runtime {onnxruntime.__version__} refuses it: {str(e)[:300]}",
            hint="export it for a version of ONNX that ONNX Runtime knows",
        ) from e


def _takes_missing(session: Any, form: _Form) -> bool:
    """Whether a row without any value has a prediction: a linear model gives NaN."""
    if any(kind in _WHOLE for _, kind, _ in form.inputs):
        return False
    return bool(np.isfinite(_raw(session, form, np.full((1, form.width), np.nan))).all())


def _outputs(session: Any, form: _Form, model: ModelProto) -> tuple[int, bool]:
    """How many numbers it gives a row, and whether these are probabilities of classes."""
    found = _raw(session, form, np.ones((2, form.width)))
    count = found.shape[1] if found.ndim == 2 else 1
    is_class = form.is_map or len(model.graph.output) > 1
    if not is_class and count > 1:
        if not np.allclose(found.sum(axis=1), 1, atol=1e-4) or (found < 0).any():
            raise refused(
                f"it gives {count} numbers a row that are no probabilities of classes",
                hint="export it with one number a row, or with probabilities",
            )
        is_class = True
    if is_class and count < 2:
        raise refused(
            "it gives one number for its classes", hint="export it with a probability of each"
        )
    return count, is_class


def _predictor(session: Any, form: _Form, classes: int) -> Any:
    def predict(matrix: Numbers) -> Numbers:
        found = _raw(session, form, matrix)
        if classes == 2:
            return found[:, 1]
        return found if classes else found.reshape(len(found))

    return predict


def _raw(session: Any, form: _Form, matrix: Numbers) -> Numbers:
    given: dict[str, NDArray[Any]] = {}
    start = 0
    for name, kind, columns in form.inputs:
        given[name] = matrix[:, start : start + columns].astype(_NUMPY[kind])
        start += columns
    names = [o.name for o in session.get_outputs()]
    found = session.run([names[-1] if form.is_map else form.output], given)[0]
    if form.is_map:
        found = [[row[key] for key in (form.labels or row)] for row in found]
    return np.asarray(found, np.float64)
