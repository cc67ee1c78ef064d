"""What an image installs: exact, complete, and nothing that serving does not need."""

from __future__ import annotations

import re
from importlib.metadata import version
from pathlib import Path

import pytest
import xgboost

import bundles
from mlops_cli.bundle.reader import open_bundle
from mlops_cli.bundle.requirements import format_requirements
from mlops_cli.packaging.requirements import image_requirements, serving_requirements
from mlops_cli.testing.releases import make_bundle

HEAVY = {"pandas", "mlflow", "dvc", "scikit-learn", "evidently", "pyarrow", "xgboost", "pydantic"}
IMPORTED = {"msgspec", "numpy", "uvicorn", "httptools", "uvloop"}


def pins(kind: str) -> dict[str, str]:
    lines = serving_requirements(kind).splitlines()
    assert lines == sorted(lines)
    return dict(line.split("==") for line in lines)


@pytest.mark.parametrize(("kind", "own"), [("xgboost", "xgboost-cpu"), ("onnx", "onnxruntime")])
def test_serving_installs_what_it_imports_and_nothing_heavy(kind: str, own: str) -> None:
    found = pins(kind)
    assert {own, *IMPORTED, "click", "h11"} <= found.keys()
    assert not found.keys() & HEAVY
    assert not [n for n in found if n.startswith("nvidia")]
    assert all(re.fullmatch(r"\d[\w.+]*", v) for v in found.values())


def test_versions_are_those_of_training() -> None:
    assert pins("xgboost")["xgboost-cpu"] == xgboost.__version__
    assert pins("onnx")["numpy"] == version("numpy")


def test_what_an_earlier_release_named_and_nobody_imports_is_left_out(tmp_path: Path) -> None:
    made = make_bundle(tmp_path / "bundle")
    earlier = {**made.requirements(), "scipy": "1.17.1"}
    (made.path / "requirements.txt").write_text(format_requirements(earlier))
    bundles.seal(made.path / "requirements.txt")
    found = open_bundle(made.path)
    assert "scipy" in found.requirements()
    assert image_requirements(found) == serving_requirements("xgboost")


# Never imported by a server: tests/serving/test_alone.py blocks them.
LEFT_OUT = {"scipy", "flatbuffers", "packaging", "protobuf", "sympy", "mpmath"}


def test_the_requirements_are_closed() -> None:
    """pip with --no-deps installs a set that works: whoever is needed by one is in it."""
    from importlib.metadata import distribution

    from packaging.requirements import Requirement

    for kind in ("xgboost", "onnx"):
        found = pins(kind)
        for name in found:
            for line in distribution(name).requires or ():
                needed = Requirement(line)
                applies = needed.marker is None or needed.marker.evaluate({"extra": ""})
                if applies and not needed.name.startswith("nvidia") and needed.name not in LEFT_OUT:
                    assert found[needed.name.lower().replace("_", "-")] in needed.specifier
