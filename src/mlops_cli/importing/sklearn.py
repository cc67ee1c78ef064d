"""The child of `trusted`: reads a pickle or skops file, converts it, and predicts what it is sent.

Run as a module: `FORM FILE`. What the file's code prints goes to standard error.
"""

from __future__ import annotations

import os
import sys
import tempfile
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import joblib
import msgspec
import numpy as np
import pandas as pd
import sklearn
from skl2onnx import to_onnx
from skl2onnx.common.data_types import DoubleTensorType, FloatTensorType
from sklearn.base import is_classifier, is_regressor
from sklearn.pipeline import Pipeline

from mlops_cli.importing.onnx import served
from mlops_cli.importing.trusted import Read, Splits, receive, send
from mlops_cli.training.onnx import leaves_as_numbers
from mlops_cli.training.tree_splits import Numbers

_OPSET = {"": 18, "ai.onnx.ml": 3}
_ROOTS = ("sklearn", "numpy", "scipy", "xgboost", "lightgbm", "collections", "builtins")
_PARTS = ("estimators_", "estimator", "estimator_", "final_estimator_", "steps",
          "calibrated_classifiers_")  # fmt: skip
_OURS = "a model of scikit-learn, XGBoost or LightGBM can be imported"


class _RefusedError(Exception):
    """Why it is not imported, and what to do."""

    def __init__(self, why: str, hint: str = _OURS) -> None:
        super().__init__(why)
        self.hint = hint


def main(form: str, file: Path) -> None:
    """Answer with what the file holds, then each matrix (n, width) with its predictions."""
    answers, asked = os.fdopen(os.dup(1), "wb"), sys.stdin.buffer
    os.dup2(2, 1)
    try:
        model = _load(form, file)
        native = _native(model)
        found = native or _converted(model)
    except _RefusedError as e:
        send(answers, msgspec.msgpack.encode(Read(refused=str(e), hint=e.hint)))
        return
    send(answers, msgspec.msgpack.encode(found))
    while native is None and (content := receive(asked)) is not None:
        matrix = np.frombuffer(content, np.float64).reshape(-1, found.width)
        send(answers, np.ascontiguousarray(_predict(model, matrix)).tobytes())


def _load(form: str, file: Path) -> Any:
    try:
        model = _of_skops(file) if form == "skops" else joblib.load(file)
    except _RefusedError:
        raise
    except Exception as e:  # a file may raise whatever it likes
        raise _RefusedError(
            f"{file.name} cannot be read: {type(e).__name__}: {e}"[:400],
            "install what it was made with, at that version, beside mlops-cli",
        ) from e
    if hasattr(model, "best_estimator_"):
        model = model.best_estimator_
    if isinstance(model, Pipeline) and len(model.steps) == 1:
        model = model[-1]
    return model


def _of_skops(file: Path) -> Any:
    """Only types of libraries that are known: skops names those that it would make."""
    from skops.io import get_untrusted_types, load  # noqa: PLC0415  it is slow to load

    types = get_untrusted_types(file=file)
    if odd := [name for name in types if name.partition(".")[0] not in _ROOTS]:
        raise _RefusedError(f"{file.name} holds a {odd[0]}, which is no type of a known library")
    return load(file, trusted=types)


def _native(model: Any) -> Read | None:
    """A booster of XGBoost or LightGBM, or an estimator around one, as its library's own file."""
    root = type(model).__module__.partition(".")[0]
    if root not in ("xgboost", "lightgbm"):
        return None
    classes = _classes(model) if is_classifier(model) else None
    if callable(getattr(model, "objective", None)):
        raise _RefusedError("it was trained with an objective of its own")
    if root == "lightgbm":
        booster = getattr(model, "booster_", model)
        content = booster.model_to_string().encode()
        return Read(native="lightgbm", contents=(content,), classes=classes)
    missing = getattr(model, "missing", None)
    if missing is not None and missing == missing:
        raise _RefusedError(
            f"it takes {missing!r} for a missing value, and a service takes null",
            "train it on missing values that are NaN",
        )
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "model.json"
        model.save_model(path)
        return Read(native="xgboost", contents=(path.read_bytes(),), classes=classes)


def _classes(model: Any) -> tuple[bool | int | str, ...]:
    found = np.asarray(model.classes_).tolist()
    if all(isinstance(label, float) and label.is_integer() for label in found):
        found = [int(label) for label in found]
    if any(not isinstance(label, bool | int | str) for label in found):
        raise _RefusedError(f"its classes are {found[:5]}: such cannot be answered")
    return tuple(found)


def _converted(model: Any) -> Read:
    task, classes = _task(model)
    width = int(getattr(model, "n_features_in_", 0))
    names = getattr(model, "feature_names_in_", None)
    if not width:
        raise _RefusedError("it does not say how many features it takes, or is not fitted")
    contents = _contents(model, width, names, task)
    try:
        missing = bool(np.isfinite(_predict(model, np.full((1, width), np.nan))).all())
    except ValueError:
        missing = False
    return Read(
        form=f"scikit-learn {sklearn.__version__}",
        contents=contents,
        task=task,  # type: ignore[arg-type]  # one of the three
        width=width,
        names=None if names is None else tuple(map(str, names)),
        classes=classes,
        outputs=len(classes or ()),
        trees=tuple(t for t in _trees(model, set()) if all(f < width for f in t.feature)),
        importance=tuple(_importance(model, width)),
        missing=missing,
    )


def _task(model: Any) -> tuple[str, tuple[bool | int | str, ...] | None]:
    if is_regressor(model):
        return "regression", None
    if not is_classifier(model):
        raise _RefusedError(f"it holds a {type(model).__module__}.{type(model).__qualname__}")
    if not hasattr(model, "predict_proba"):
        raise _RefusedError(
            f"{type(model).__name__} gives no probabilities",
            "put it into sklearn.calibration.CalibratedClassifierCV",
        )
    classes = _classes(model)
    return ("binary" if len(classes) == 2 else "multiclass"), classes


def _contents(model: Any, width: int, names: Any, task: str) -> tuple[bytes, ...]:
    """ONNX forms, in float64 and in float32, by one matrix or, of named columns, one each."""
    made: list[bytes] = []
    why: list[str] = []
    options = {id(model): {"zipmap": False}} if task != "regression" else None
    for kind in (DoubleTensorType, FloatTensorType):
        ways: list[list[tuple[str, Any]]] = [[("features", kind([None, width]))]]
        if names is not None:
            ways.append([(str(name), kind([None, 1])) for name in names])
        for inputs in ways:
            try:
                with leaves_as_numbers():
                    onnx = to_onnx(
                        model, initial_types=inputs, options=options, target_opset=_OPSET
                    )
                made.append(served(onnx.SerializeToString(deterministic=True)))
                break
            except Exception as e:  # noqa: BLE001  skl2onnx and its kin raise whatever comes up
                why.append(f"{type(e).__name__}: {e}")
    if not made:
        raise _RefusedError(f"ONNX cannot say what it does: {why[0]}"[:500])
    return tuple(made)


def _predict(model: Any, matrix: Numbers) -> Numbers:
    names = getattr(model, "feature_names_in_", None)
    given: Any = matrix
    if names is not None:
        given = pd.DataFrame(matrix, columns=list(names))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        if is_regressor(model):
            return np.asarray(model.predict(given), np.float64).reshape(len(matrix), -1)[:, 0]
        chances = np.asarray(model.predict_proba(given), np.float64)
    return chances[:, 1] if chances.shape[1] == 2 else chances


def _trees(model: Any, seen: set[int]) -> Iterator[Splits]:
    """Every tree below a model: what it splits is what rows are to be tried at."""
    if id(model) in seen:
        return
    seen.add(id(model))
    if isinstance(model, list | tuple | np.ndarray):
        for part in model:
            yield from _trees(part, seen)
    elif hasattr(model, "tree_"):
        tree = model.tree_
        yield _splits(tree.children_left, tree.children_right, tree.feature, tree.threshold)
    elif hasattr(model, "_predictors"):
        for nodes in (tree.nodes for stage in model._predictors for tree in stage):
            yield _of_histogram(nodes)
    else:
        for name in _PARTS:
            yield from _trees(getattr(model, name, ()), seen)


def _of_histogram(nodes: Any) -> Splits:
    leaf = nodes["is_leaf"].astype(bool)
    left, right = (np.where(leaf, -1, nodes[side].astype(np.int64)) for side in ("left", "right"))
    return _splits(left, right, nodes["feature_idx"], nodes["num_threshold"])


def _splits(left: Any, right: Any, feature: Any, threshold: Any) -> Splits:
    inner = [i for i, child in enumerate(left.tolist()) if child >= 0]
    place = {node: n for n, node in enumerate(inner)}
    return Splits(
        feature=[int(feature[i]) for i in inner],
        threshold=[float(threshold[i]) for i in inner],
        left=[place.get(int(left[i]), -1) for i in inner],
        right=[place.get(int(right[i]), -1) for i in inner],
    )


def _importance(model: Any, width: int) -> list[float]:
    last = model[-1] if isinstance(model, Pipeline) else model
    found = getattr(last, "feature_importances_", None)
    if found is None and (weights := getattr(last, "coef_", None)) is not None:
        found = np.abs(np.atleast_2d(weights)).sum(axis=0)
    return [1.0] * width if found is None or len(found) != width else [float(v) for v in found]


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]))
