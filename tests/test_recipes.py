"""CONTRIBUTING's recipes, followed to the letter in a copy of the package."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
ROW = """    Stage(
        name="count",
        summary="count the rows that have features",
        revision=1,
        params=("data",),
        deps=("data/features.parquet",),
        outs=("reports/count.json",),
    ),
"""
END = ")\n\n# What DVC runs before them"  # of `STAGES`
MODULE = '''"""The stage `count`: how many rows have features."""

import json
from dataclasses import dataclass

from mlops_cli._files import write_text
from mlops_cli.config.project import Project
from mlops_cli.progress import QUIET, Progress
from mlops_cli.tables import open_engine
from mlops_cli.tables.base import literal


@dataclass(frozen=True, slots=True)
class CountResult:
    """The number of rows."""

    rows: int


def count(project: Project, *, progress: Progress = QUIET) -> CountResult:
    """Write `reports/count.json`."""
    with open_engine(temporary=project.cache / "tmp") as engine:
        table = literal(str(project.root / "data/features.parquet"))
        rows = int(engine.rows(f"select count(*) from read_parquet({table})")[0][0])
    write_text(project.root / "reports/count.json", json.dumps({"rows": rows}))
    return CountResult(rows)
'''


@pytest.fixture(scope="module")
def copy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The package with one row and one module more."""
    root = tmp_path_factory.mktemp("copy")
    for name in ("src", "templates", "docs"):
        shutil.copytree(ROOT / name, root / name, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "README.md", root)
    table = root / "src/mlops_cli/stages/__init__.py"
    before, _, after = table.read_text(encoding="utf-8").partition(END)
    table.write_text(before + ROW + END + after, encoding="utf-8")
    (root / "src/mlops_cli/stages/count.py").write_text(MODULE, encoding="utf-8")
    return root


def run(copy: Path, where: Path, *command: str) -> str:
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    env = {**os.environ, "PYTHONPATH": str(copy / "src"), "PATH": path}
    done = subprocess.run(command, cwd=where, env=env, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_a_stage_that_is_added_by_its_recipe_runs_through_dvc(copy: Path, tmp_path: Path) -> None:
    rows = [f"{i % 17},{i * 7 % 13},{int(i % 17 > 8)}" for i in range(300)]
    (tmp_path / "data.csv").write_text("\n".join(["a,b,y", *rows]) + "\n")
    run(copy, tmp_path, "mlops", "init", "small", "--data", "data.csv", "--target", "y")
    project = tmp_path / "small"
    first = json.loads(run(copy, project, "mlops", "count", "--json"))["result"]["stages"]
    assert first[-1]["name"] == "count"
    assert first[-1]["result"] == {"rows": 300}
    assert json.loads((project / "reports/count.json").read_text()) == {"rows": 300}
    again = json.loads(run(copy, project, "mlops", "run", "count", "--json"))["result"]["stages"]
    assert {s["name"]: s["state"] for s in again}["count"] == "unchanged"


def test_every_list_of_stages_knows_it(copy: Path, tmp_path: Path) -> None:
    said = json.loads(run(copy, tmp_path, "mlops", "doctor", "--json"))["result"]
    assert [c for c in said["checks"] if not c["healthy"]] == []
    assert "count" in [c["name"] for c in said["checks"]]
    assert "\n  count " in run(copy, tmp_path, "mlops", "--help")
    assert "mlops count" in run(copy, tmp_path, "mlops", "count", "-h")
    run(copy, copy, sys.executable, "docs/make_reference.py")
    assert "### mlops count\n" in (copy / "docs/reference/commands.md").read_text(encoding="utf-8")
    assert "| `mlops count` |" in (copy / "README.md").read_text(encoding="utf-8")
    code = "import mlops_cli; print(mlops_cli.count.__module__)"
    assert run(copy, tmp_path, sys.executable, "-c", code) == "mlops_cli.stages.count\n"
