"""The architecture as tests: what import-linter and ruff cannot say."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
SRC = ROOT / "src" / "mlops_cli"
HEAVY = (
    "mlflow",
    "evidently",
    "dvc",
    "docker",
    "optuna",
    "xgboost",
    "sklearn",
    "pandas",
    "pyarrow",
    "pandera",
    "duckdb",
    "numpy",
    "sqlglot",
    "onnxruntime",
    "skl2onnx",
    "scipy",
)


def heavy_after(statement: str) -> list[str]:
    code = f"{statement}; import sys; print(*[m for m in {HEAVY!r} if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return done.stdout.split()


@pytest.mark.parametrize(
    "statement",
    [
        "import mlops_cli; mlops_cli.train; mlops_cli.run",
        "import mlops_cli.cli.app",
        "import mlops_cli.cli.stage",
        *[f"import mlops_cli.{path.parent.name}" for path in SRC.glob("*/__init__.py")],
    ],
)
def test_nothing_heavy_is_loaded_before_it_is_needed(statement: str) -> None:
    assert heavy_after(statement) == []


def test_dvcs_door_needs_neither_typer_nor_rich() -> None:
    code = "import sys, mlops_cli.cli.stage; print('typer' in sys.modules, 'rich' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["False", "False"]


def test_every_suppression_has_its_reason_beside_it() -> None:
    bare = re.compile(r"#\s*(noqa(: [A-Z0-9, ]+)?|type: ignore(\[[\w, -]+\])?)\s*$", re.M)
    found = [
        f"{path.relative_to(ROOT)}: {match[0]}"
        for path in SRC.rglob("*.py")
        for match in bare.finditer(path.read_text(encoding="utf-8"))
    ]
    assert found == []


def test_files_and_functions_stay_small() -> None:
    long = []
    for path in SRC.rglob("*.py"):
        text = path.read_text(encoding="utf-8")
        if text.count("\n") > 400:
            long.append(f"{path.relative_to(ROOT)}: {text.count(chr(10))} lines")
        for node in ast.walk(ast.parse(text)):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                lines = (node.end_lineno or node.lineno) - node.lineno + 1
                if lines > 60:
                    long.append(f"{path.relative_to(ROOT)}: {node.name} has {lines} lines")
    assert long == []


def test_import_contracts_name_every_package() -> None:
    config = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    contracts = config["tool"]["importlinter"]["contracts"]
    floors = next(c for c in contracts if c["type"] == "layers")
    named = {name.strip() for layer in floors["layers"] for name in layer.split("|")}
    top = {p.name if p.is_dir() else p.stem for p in SRC.iterdir() if _is_module(p)}
    assert top - named == {"__init__", "__main__"}


def _is_module(path: Path) -> bool:
    return (path / "__init__.py").is_file() or path.suffix == ".py"
