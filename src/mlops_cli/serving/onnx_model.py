"""Predict with ONNX Runtime on the CPU: scikit-learn models without pickle."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import numpy as np
import onnxruntime
from onnxruntime.capi import onnxruntime_pybind11_state as ort_errors

from mlops_cli.bundle.manifest import Task
from mlops_cli.errors import BundleError
from mlops_cli.serving.models import Matrix, Raw
from mlops_cli.serving.onnx_graph import check_onnx

# They have no base of their own.
_REFUSALS = tuple(
    e for e in vars(ort_errors).values() if isinstance(e, type) and issubclass(e, Exception)
)
BLOCK = 8192  # rows that one thread predicts at a time


class OnnxModel:
    """A session whose last output holds the probabilities (n, k), or the values (n, 1).

    The session sums with one thread: several sum a forest in an order that hangs on their number
    and on that of the rows. What `threads` share are blocks of rows, which changes no sum.
    """

    def __init__(self, session: onnxruntime.InferenceSession, task: Task, threads: int) -> None:
        self._session = session
        self._task = task
        self._threads = threads
        self._input = session.get_inputs()[0].name
        self._outputs = [session.get_outputs()[-1].name]

    def predict(self, matrix: Matrix) -> Raw:
        """See `Model.predict`."""
        if self._threads == 1 or len(matrix) <= BLOCK:
            raw = self._run(matrix)
        else:
            blocks = np.array_split(matrix, -(-len(matrix) // BLOCK))
            with ThreadPoolExecutor(self._threads) as pool:
                raw = np.concatenate(list(pool.map(self._run, blocks)))
        if self._task == "multiclass":
            return raw
        if self._task == "binary":
            return raw[:, 1] if raw.shape[1] == 2 else raw  # whose shape is refused when it loads
        return raw[:, 0] if raw.shape[1] == 1 else raw

    def _run(self, matrix: Matrix) -> Raw:
        try:
            found = self._session.run(self._outputs, {self._input: matrix})[0]
        except _REFUSALS as e:
            raise BundleError(f"ONNX Runtime cannot predict: {str(e)[:300]}") from e
        return np.asarray(found, np.float64)


def check(content: bytes, features: int) -> None:
    """Raise `ValueError` for what is no `model.onnx`, or has a tree that splits by a feature which
    the forest is not given: the runtime would read beyond the row."""
    forests = check_onnx(content)
    with _told():
        for forest in forests:
            width = features
            if forest.before is not None:
                before = _session(forest.before)
                zeros = np.zeros((1, features), np.float32)
                (given,) = before.run(None, {before.get_inputs()[0].name: zeros})
                width = given.shape[-1]
            if forest.last >= width:
                raise ValueError(f"a tree splits by feature {forest.last}, and gets {width}")


def load(content: bytes, task: Task, threads: int) -> OnnxModel:
    """A model from what `check` let pass. Raises `ValueError` where ONNX Runtime refuses it."""
    with _told():
        return OnnxModel(_session(content), task, threads)


@contextmanager
def _told() -> Iterator[None]:
    try:
        yield
    except _REFUSALS as e:
        raise ValueError(f"ONNX Runtime refuses it: {str(e)[:300]}") from e


def _session(content: bytes) -> onnxruntime.InferenceSession:
    onnxruntime.disable_telemetry_events()
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.inter_op_num_threads = 1
    options.log_severity_level = 3
    providers = ["CPUExecutionProvider"]
    return onnxruntime.InferenceSession(content, sess_options=options, providers=providers)
