"""What a fit of scikit-learn goes on from: plain numbers beside the model in its ONNX form."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from mlops_cli.training.onnx import note_of

NOTE = "mlops.state"  # the key in the ONNX file, of which serving knows nothing
# Of each class the fitted numbers that `partial_fit` goes on from. Others have it, too, but counts
# of naive Bayes would count rows that were there before twice, and a fit anew is one pass.
KEPT: Mapping[str, tuple[str, ...]] = {
    "linear_model.SGDClassifier": ("coef_", "intercept_", "t_"),
    "linear_model.SGDRegressor": ("coef_", "intercept_", "t_"),
    "neural_network.MLPClassifier": ("coefs_", "intercepts_"),
    "neural_network.MLPRegressor": ("coefs_", "intercepts_"),
}
_PREPARED = {"fill": ("statistics_",), "scale": ("mean_", "var_", "scale_")}


class NothingKept(Exception):
    """A model's file holds nothing that a fit could go on from; the message says why."""


class _Array(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    shape: tuple[int, ...]
    data: bytes  # doubles, little-endian

    @classmethod
    def of(cls, values: Any) -> _Array:
        array = np.asarray(values, dtype="<f8")
        return cls(array.shape, array.tobytes())

    def values(self) -> NDArray[np.float64]:
        return np.frombuffer(self.data, dtype="<f8").astype(np.float64).reshape(self.shape)


class _State(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`prepared` are the numbers of the preparation's steps; of `model` a value may be a list."""

    estimator: str
    prepared: dict[str, _Array]
    model: dict[str, _Array | list[_Array]]


def goes_on(path: str, model: Any) -> bool:
    """Whether this estimator, by its path below `sklearn.`, can go on from what it was."""
    return path in KEPT and hasattr(model, "partial_fit") and not getattr(model, "average", False)


def state_of(path: str, pipeline: Any) -> str | None:
    """What a later fit goes on from, as JSON; None where this estimator cannot."""
    model = pipeline[-1]
    if not goes_on(path, model):
        return None
    kept = {name: getattr(model, name) for name in KEPT[path]}
    state = _State(
        path,
        {name: _Array.of(getattr(step, name)) for step, name in _steps(pipeline)},
        {n: [*map(_Array.of, v)] if isinstance(v, list) else _Array.of(v) for n, v in kept.items()},
    )
    return msgspec.json.encode(state).decode()


def resume(path: str, pipeline: Any, content: bytes, *, shape: tuple[int, int]) -> None:
    """Make a pipeline that was not fitted what it was when `content`, its ONNX form, was made.

    `shape` is (classes, features). Raises `NothingKept` where the file holds nothing of it.
    """
    state = _read(content)
    if state is None or state.estimator != path:
        raise NothingKept("it was fitted by another estimator, or by an older release")
    classes, width = shape
    # A fit of zeros makes what scikit-learn keeps for itself; then the numbers take their places.
    zeros = np.zeros((max(classes, 1), width), dtype=np.float32)
    prepared = pipeline[:-1].fit_transform(zeros)
    for step, name in _steps(pipeline):
        setattr(step, name, state.prepared[name].values())
    model = pipeline[-1]
    known = {"classes": np.arange(classes)} if classes else {}
    model.partial_fit(prepared, np.arange(len(zeros), dtype=np.float64), **known)
    for name, value in state.model.items():
        there: Any = [v.values() for v in value] if isinstance(value, list) else value.values()
        setattr(model, name, float(there) if name == "t_" else there)
    vars(model).pop("_optimizer", None)  # of a network: it points to the numbers of the zeros


def _read(content: bytes) -> _State | None:
    note = note_of(content, NOTE)
    try:
        return None if note is None else msgspec.json.decode(note, type=_State)
    except msgspec.DecodeError:
        return None


def _steps(pipeline: Any) -> Iterator[tuple[Any, str]]:
    """The steps that prepare numbers, each with the name of what was fitted of it."""
    numeric = pipeline[0].named_transformers_.get("numeric")
    if numeric is None:
        return
    for step, names in _PREPARED.items():
        yield from ((numeric.named_steps[step], name) for name in names)


def further(losses: Sequence[float], *, patience: int) -> bool:
    """Whether another pass may gain something: the best of `losses` is not too long ago."""
    return len(losses) - 1 - int(np.argmin(losses)) < patience
