"""A `calibration.json` that can be none is refused, as is a manifest that it does not go with."""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import decided
from mlops_cli.bundle.reader import open_bundle
from mlops_cli.errors import BundleError
from mlops_cli.serving.predictor import open_predictor

SOUND = {"method": "isotonic", "x": [0.0, 0.5, 1.0], "y": [0.1, 0.5, 0.9]}


@pytest.fixture(scope="module")
def sound(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    folder = tmp_path_factory.mktemp("sound")
    for name in ("isotonic", "temperature", "interval", "quantiles", "threshold"):
        decided.write(folder / name, name, n=20)
    return lambda name: folder / name


def resign(folder: Path, content: bytes | None, **manifest: Any) -> None:
    """Write `calibration.json` anew (None: leave it), and a manifest that agrees with it."""
    file = folder / "manifest.json"
    found = json.loads(file.read_bytes()) | manifest
    if content is not None:
        (folder / "calibration.json").write_bytes(content)
        found["files"]["calibration.json"] = {"sha256": hashlib.sha256(content).hexdigest()}
    file.write_bytes(json.dumps(found).encode())


def refused(folder: Path) -> str:
    with pytest.raises(BundleError) as e:
        open_predictor(open_bundle(folder))
    assert e.value.hint
    return e.value.message


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (b"", "calibration.json"),
        (b"{", "calibration.json"),
        (b"{}", "neither a calibrator nor an interval"),
        (b'{"calibrator":null}', "neither a calibrator nor an interval"),
        (json.dumps({"calibrator": SOUND, "more": 1}).encode(), "more"),
        (json.dumps({"calibrator": SOUND | {"method": "other"}}).encode(), "other"),
        (b'{"calibrator":{"method":"isotonic","x":[0,NaN,1],"y":[0.1,0.2,0.3]}}', "calibration"),
        (b'{"calibrator":{"method":"sigmoid","slope":1e999,"intercept":0}}', "calibration"),
        (json.dumps({"calibrator": SOUND | {"y": [0.1, 0.5, 0.4]}}).encode(), "y does not ascend"),
        (json.dumps({"calibrator": SOUND | {"y": [0.1, 0.5, 0.5]}}).encode(), "y does not ascend"),
        (json.dumps({"calibrator": SOUND | {"x": [0, 0.6, 0.5]}}).encode(), "x does not ascend"),
        (json.dumps({"calibrator": SOUND | {"x": [0.1, 0.5, 1]}}).encode(), "from 0 to 1"),
        (json.dumps({"calibrator": SOUND | {"y": [-0.1, 0.5, 0.9]}}).encode(), "leaves the range"),
        (json.dumps({"calibrator": SOUND | {"y": [0.1, 0.5]}}).encode(), "3 x and 2 y"),
        (json.dumps({"calibrator": SOUND | {"x": [], "y": []}}).encode(), "0 x and 0 y"),
        (b'{"calibrator":{"method":"sigmoid","slope":0,"intercept":0}}', "slope 0.0 is not above"),
        (b'{"calibrator":{"method":"sigmoid","slope":-1,"intercept":0}}', "slope -1.0 is not"),
        (b'{"calibrator":{"method":"temperature","temperature":0}}', "temperature 0.0 is not"),
        (b'{"interval":{"width":1.0,"rows":50}}', "only one of it and the manifest"),
    ],
)
def test_what_can_be_no_calibration_is_refused(
    sound: Callable[[str], Path], tmp_path: Path, content: bytes, why: str
) -> None:
    folder = shutil.copytree(sound("isotonic"), tmp_path / "model")
    resign(folder, content)
    message = refused(folder)
    assert "calibration.json" in message
    assert why in message


@pytest.mark.parametrize(
    ("name", "content", "why"),
    [
        ("temperature", {"calibrator": SOUND}, "isotonic is of two classes"),
        ("interval", {"calibrator": SOUND}, "only one of it and the manifest"),
        ("interval", {"interval": {"width": -1.0, "rows": 50}}, "below 0"),
        ("interval", {"interval": {"width": 1.0, "rows": 0}}, "of 0 rows"),
        ("interval", {"interval": {"width": 1, "rows": 5, "quantiles": [0.1, 0.9]}}, "low.ubj"),
        (
            "quantiles",
            {"interval": {"width": 1, "rows": 5, "quantiles": [0.9, 0.1]}},
            "not in order",
        ),
        ("quantiles", {"interval": {"width": 1.0, "rows": 5}}, "low.ubj"),
    ],
)
def test_what_does_not_go_with_the_manifest_is_refused(
    sound: Callable[[str], Path], tmp_path: Path, name: str, content: Any, why: str
) -> None:
    folder = shutil.copytree(sound(name), tmp_path / "model")
    resign(folder, json.dumps(content).encode())
    assert why in refused(folder)


@pytest.mark.parametrize(
    ("name", "manifest", "why"),
    [
        ("isotonic", {"format": "1.1"}, "its format is 1.1"),
        ("threshold", {"format": "1.1"}, "its format is 1.1"),
        ("threshold", {"threshold": 1.5}, "threshold"),
        ("temperature", {"threshold": 0.2}, "task is multiclass, and it has a threshold"),
        ("temperature", {"interval": 0.9}, "task is multiclass, and it has an interval"),
        ("interval", {"interval": 1.0}, "interval"),
        ("interval", {"format": "3.0"}, "reads 1.1 and 2.0"),
    ],
)
def test_a_manifest_that_contradicts_itself_is_refused(
    sound: Callable[[str], Path], tmp_path: Path, name: str, manifest: Any, why: str
) -> None:
    folder = shutil.copytree(sound(name), tmp_path / "model")
    resign(folder, None, **manifest)
    assert why in refused(folder)


def test_a_changed_or_missing_file_is_named(sound: Callable[[str], Path], tmp_path: Path) -> None:
    folder = shutil.copytree(sound("quantiles"), tmp_path / "model")
    (folder / "low.ubj").write_bytes(b"x")
    assert "low.ubj is not the file" in refused(folder)
    (folder / "low.ubj").unlink()
    assert "low.ubj is missing" in refused(folder)


def test_a_booster_of_a_quantile_that_is_none_is_refused(
    sound: Callable[[str], Path], tmp_path: Path
) -> None:
    folder = shutil.copytree(sound("quantiles"), tmp_path / "model")
    file = folder / "manifest.json"
    found = json.loads(file.read_bytes())
    (folder / "low.ubj").write_bytes(b"{}")
    found["files"]["low.ubj"] = {"sha256": hashlib.sha256(b"{}").hexdigest()}
    file.write_bytes(json.dumps(found).encode())
    assert "low.ubj cannot be used" in refused(folder)
