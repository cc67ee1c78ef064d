"""A bundle's model behind one method, whichever library predicts."""

from __future__ import annotations

import importlib
import sys
from typing import Protocol

import numpy as np
import numpy.typing as npt

from mlops_cli._adapters import load_adapter
from mlops_cli.bundle.manifest import CALIBRATION, MODULES, Manifest, ModelKind
from mlops_cli.bundle.reader import Bundle, bundle_faults
from mlops_cli.errors import BundleError
from mlops_cli.serving import xgboost_library
from mlops_cli.serving.child import survive

Matrix = npt.NDArray[np.float32]
Raw = npt.NDArray[np.float64]

_ADAPTERS: dict[ModelKind, str] = {
    "xgboost": "mlops_cli.serving.xgboost_model",
    "onnx": "mlops_cli.serving.onnx_model",
}
_CALIBRATION = "mlops_cli.serving.calibration"


class Model(Protocol):
    """What predicts: one row and many rows give the same numbers."""

    def predict(self, matrix: Matrix) -> Raw:
        """Predict from a C-contiguous matrix of shape (n, f), missing values being NaN.

        Returns P(classes[1]) of shape (n,) for a binary task, probabilities of shape (n, k) in the
        manifest's order of classes for a multiclass one, values of shape (n,) for a regression.
        """


def preload() -> None:
    """Load what serves the usual kind of model, in a process that others are forked from."""
    load_adapter(_ADAPTERS["xgboost"])


def load_model(bundle: Bundle, threads: int = 1, *, in_child_first: bool = False) -> Model:
    """Load the model of a verified bundle; it predicts with `threads` threads.

    The number of threads changes no bit of what it predicts. With `in_child_first`, for a bundle
    from elsewhere, a forked child loads it before: a file that ends its library ends that one.
    A process that used the library before cannot: OpenMP's threads do not survive a fork, and a
    child that waits for them waits for ever.

    Raises `BundleError` where this environment's versions are not the manifest's, the file holds
    what no model holds, the library refuses it or ends over it, or the model's numbers are not
    those of the manifest's task, and `EnvironmentFault` where the library is not installed.
    """
    *_, library = MODULES[bundle.manifest.model]
    unused = library not in sys.modules and not xgboost_library.loaded()
    check_environment(bundle.manifest)
    load_adapter(_ADAPTERS[bundle.manifest.model])
    content, checked = bundle.content(bundle.model_file.name), False
    if in_child_first and unused:
        checked = survive(lambda: _load(bundle, content, 1), str(bundle.model_file))
    return _load(bundle, content, threads, checked=checked)


def _load(bundle: Bundle, content: bytes, threads: int, *, checked: bool = False) -> Model:
    """The model of `content`; `checked` where the same was done already with the same bytes."""
    manifest, file = bundle.manifest, bundle.model_file
    with bundle_faults(f"{file} cannot be used"):
        adapter = load_adapter(_ADAPTERS[manifest.model])
        if not checked:
            adapter.check(content, len(manifest.features))
        model: Model = adapter.load(content, manifest.task, threads)
        found = model.predict(np.zeros((1, len(manifest.features)), np.float32)).shape
    wanted = (1, len(manifest.classes or ())) if manifest.task == "multiclass" else (1,)
    if found != wanted:
        raise BundleError(
            f"{file} predicts an array of shape {found} for a row, and the manifest's task "
            f"{manifest.task} means {wanted}",
            hint="train again",
        )
    return model


def answering(bundle: Bundle, model: Model, threads: int = 1) -> Model:
    """The bundle's `model` with what stands behind it: its calibrator or interval, if any.

    Raises `BundleError` where these cannot be used.
    """
    if CALIBRATION not in bundle.manifest.files:
        return model

    def booster(name: str) -> Model:
        with bundle_faults(f"{bundle.path / name} cannot be used"):
            adapter, content = load_adapter(_ADAPTERS["xgboost"]), bundle.content(name)
            adapter.check(content, len(bundle.manifest.features))
            made: Model = adapter.load(content, bundle.manifest.task, threads)
            return made

    made: Model = load_adapter(_CALIBRATION).open_calibrated(bundle, model, booster)
    return made


def check_environment(manifest: Manifest) -> None:
    """Hold Python's minor version and every module's version to the manifest's.

    Versions are those that the modules say of themselves: `xgboost` may come from the distribution
    `xgboost-cpu`, and is not imported. Raises `BundleError` naming the module, the version wanted
    and the one found.
    """
    python = f"{sys.version_info.major}.{sys.version_info.minor}"
    if python != manifest.python:
        raise _mismatch("Python", manifest.python, python)
    for name, wanted in sorted(manifest.modules.items()):
        found = _version(name)
        if found != wanted:
            raise _mismatch(name, wanted, found or "none")


def versions(kind: ModelKind) -> dict[str, str]:
    """What the manifest of a model made here names: the modules' versions in this environment."""
    return {name: _version(name) or "none" for name in MODULES[kind]}


def _version(module: str) -> str | None:
    try:
        if module == "xgboost":
            return xgboost_library.version()
        return str(importlib.import_module(module).__version__)
    except (ImportError, AttributeError):
        return None


def _mismatch(name: str, wanted: str, found: str) -> BundleError:
    return BundleError(
        f"the model needs {name} {wanted}, and this environment has {found}",
        hint="install the bundle's requirements.txt, or train again in this environment",
    )
