"""A server that cannot reproduce training's rows does not start."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest

import bundles
from mlops_cli.bundle.reader import open_bundle
from mlops_cli.errors import BundleError
from mlops_cli.serving.golden import difference, replay
from mlops_cli.serving.predictor import open_predictor
from running import client_of


def _with_golden(sample: bundles.Sample, path: Path, change: Callable[[list[Any]], None]) -> Path:
    """A sound bundle, of the same data, whose golden rows were changed before it was written."""
    rows = [msgspec.json.decode(line) for line in _lines(sample)]
    change(rows)
    text = b"".join(msgspec.json.encode(row) + b"\n" for row in rows)
    bundles.write_fitted(path, sample.task, bundles.fit(sample.task, sample.matrix), text)
    return path


def test_unchanged_rows_are_all_replayed(binary: bundles.Sample, tmp_path: Path) -> None:
    path = _with_golden(binary, tmp_path / "same", lambda rows: None)
    bundle = open_bundle(path)
    assert replay(bundle, open_predictor(bundle)) == len(binary.events)


def _lines(sample: bundles.Sample) -> list[bytes]:
    return (sample.path / "golden.jsonl").read_bytes().splitlines()


def _probability(rows: list[Any]) -> None:
    rows[6]["prediction"]["probability"] += 2e-5


def _label(rows: list[Any]) -> None:
    rows[6]["prediction"]["label"] = not rows[6]["prediction"]["label"]


def _feature(rows: list[Any]) -> None:
    rows[6]["features"][2] = float(np.nextafter(np.float32(rows[6]["features"][2]), np.inf)) * 2


def _category(rows: list[Any]) -> None:
    rows[6]["features"][1] = None


def _input(rows: list[Any]) -> None:
    rows[6]["inputs"]["distance"] = "far"


def _width(rows: list[Any]) -> None:
    rows[6]["features"].append(1.0)


@pytest.mark.parametrize(
    ("change", "names"),
    [
        (_probability, "probability"),
        (_label, "label"),
        (_feature, "distance"),
        (_category, "origin"),
        (_input, "distance"),
        (_width, "features"),
    ],
)
def test_a_row_that_differs_is_named(
    binary: bundles.Sample, tmp_path: Path, change: Callable[[list[Any]], None], names: str
) -> None:
    path = _with_golden(binary, tmp_path / "other", change)
    with pytest.raises(BundleError, match=f"row 7 .*{names}"):
        client_of(path)


def test_a_difference_of_one_ulp_is_allowed(binary: bundles.Sample, tmp_path: Path) -> None:
    def nudge(rows: list[Any]) -> None:
        for row in rows:
            value = row["features"][3]
            if value is not None:
                row["features"][3] = float(np.nextafter(np.float32(value), np.float32(np.inf)))

    client_of(_with_golden(binary, tmp_path / "ulp", nudge))


def test_no_rows_are_no_proof(binary: bundles.Sample, tmp_path: Path) -> None:
    with pytest.raises(BundleError, match="holds no rows"):
        client_of(_with_golden(binary, tmp_path / "none", list.clear))


def test_a_label_that_rounding_decides_is_not_compared(binary: bundles.Sample) -> None:
    manifest = open_bundle(binary.path).manifest
    low, high = {"probability": 0.4999999, "label": False}, {"probability": 0.5, "label": True}
    assert difference(manifest, low, high) is None
    assert difference(manifest, {**high, "probability": 0.6}, {**low, "probability": 0.6})
