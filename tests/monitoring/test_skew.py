"""Logged inputs beside those that featurize made of the same events."""

from __future__ import annotations

from pathlib import Path

import msgspec
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import bundles
from mlops_cli.bundle.manifest import Manifest
from mlops_cli.bundle.reader import open_bundle
from mlops_cli.monitoring.judging.skew import skew_of
from mlops_cli.tables import open_engine
from mlops_cli.tables.base import literal

N = 200


@pytest.fixture(scope="module")
def manifest(tmp_path_factory: pytest.TempPathFactory) -> Manifest:
    found = open_bundle(bundles.write(tmp_path_factory.mktemp("skew") / "model").path).manifest
    return msgspec.structs.replace(found, id=("order",))


def _skew(root: Path, manifest: Manifest, temp: pa.Array, orders: int = N) -> dict | None:
    made = np.linspace(0, 30, N)
    features = {"__id__order": np.arange(N), "temp": made, "wet": np.arange(N) % 2 == 0}
    (root / "data").mkdir()
    pq.write_table(pa.table(features), root / "data/features.parquet")
    logged = root / "logged.parquet"
    ids = [f'{{"order": {i}}}' for i in range(N - orders, 2 * N - orders)]
    pq.write_table(pa.table({"temp": temp, "wet": features["wet"], "__id__": ids}), logged)
    with open_engine(temporary=root / "tmp") as engine:
        found = skew_of(engine, root, manifest, f"read_parquet({literal(str(logged))})")
    return dict(found) if found is not None else None


def test_the_same_values_are_no_skew(tmp_path: Path, manifest: Manifest) -> None:
    same = pa.array(np.linspace(0, 30, N) * (1 + 1e-9))
    found = _skew(tmp_path, manifest, same)
    assert found == {"skewed": 0, "rows": N, "temp": 0, "wet": 0}


def test_a_value_of_another_hour_is_named(tmp_path: Path, manifest: Manifest) -> None:
    stale = np.linspace(0, 30, N)
    stale[:20] += 1.5
    found = _skew(tmp_path, manifest, pa.array(stale, mask=np.arange(N) >= N - 10))
    assert found == {"skewed": 1, "rows": N, "temp": 0.15, "wet": 0}


def test_events_that_are_not_in_the_table_say_nothing(tmp_path: Path, manifest: Manifest) -> None:
    assert _skew(tmp_path, manifest, pa.array(np.zeros(N)), orders=10) is None
