"""Bundles for the server's tests."""

from __future__ import annotations

import pytest

import bundles
from running import Client, client_of

KINDS = [(task, onnx) for task in ("binary", "multiclass", "regression") for onnx in (False, True)]


@pytest.fixture(scope="session")
def samples(tmp_path_factory: pytest.TempPathFactory) -> dict[tuple[str, bool], bundles.Sample]:
    """A bundle of each task, by XGBoost and as ONNX."""
    folder = tmp_path_factory.mktemp("bundles")
    return {
        (task, onnx): bundles.write(folder / f"{task}-{onnx}", task, onnx=onnx)
        for task, onnx in KINDS
    }


@pytest.fixture(scope="session")
def binary(samples: dict[tuple[str, bool], bundles.Sample]) -> bundles.Sample:
    """The bundle that most tests serve."""
    return samples["binary", False]


@pytest.fixture(scope="session")
def client(binary: bundles.Sample) -> Client:
    """The application of the binary bundle."""
    return client_of(binary.path)
