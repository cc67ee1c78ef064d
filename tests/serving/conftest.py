"""Bundles for the server's tests, and a server that has a rollout."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest

import bundles
from rollouts import Service, Start, service
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


@pytest.fixture(scope="session")
def other(tmp_path_factory: pytest.TempPathFactory) -> bundles.Sample:
    """Another version of the same model: the candidate of a rollout."""
    return bundles.write(tmp_path_factory.mktemp("other") / "other", n=180)


@pytest.fixture
def settings() -> dict[str, str]:
    """What the server of a rollout is told beside it; files override it."""
    return {}


@pytest.fixture
def start(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, binary: bundles.Sample, other: bundles.Sample
) -> Start:
    """Starts one, as `rollouts.service`: by so many workers, with settings."""
    return partial(service, tmp_path, monkeypatch, binary, other)


@pytest.fixture
def one(start: Start, settings: dict[str, str]) -> Iterator[Service]:
    """A server of one worker."""
    with start(**settings) as started:
        yield started


@pytest.fixture(params=[1, 2])
def two(
    request: pytest.FixtureRequest,
    start: Start,
    settings: dict[str, str],
) -> Iterator[Service]:
    """A server, once of one worker and once of two."""
    with start(request.param, **settings) as started:
        yield started
