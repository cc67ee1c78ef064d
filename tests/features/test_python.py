"""Features that are a function of the project's own: the same by row and by table, or refused."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from mlops_cli.config.load import load_project
from mlops_cli.config.project import Project
from mlops_cli.contracts.missing import write_missing_contracts
from mlops_cli.errors import BundleError, MlopsError, UsageError
from mlops_cli.expressions.compile import compile_tree
from mlops_cli.expressions.python_sources import PythonFault, function_of, source_of
from mlops_cli.expressions.tree import Node
from mlops_cli.features.base import load_schemas
from mlops_cli.features.layout import check_features
from mlops_cli.features.lineage import feature_entries
from mlops_cli.pipeline.dvc_yaml import deps_of
from mlops_cli.stages import stage
from mlops_cli.stages.featurize import featurize

MORE = """
import math
from datetime import date, datetime

def ratio(x: float | None, n: int, twice: float) -> float | None:
    if x is None or n is None:
        return None
    return twice / n if n else math.nan

def label(k: str | None, day: date | None) -> str:
    return f"{k}/{day.year if day else '-'}"

def early(at: datetime | None) -> bool | None:
    return None if at is None else at.hour < 12

def size(k, ratio) -> int:
    return len(k or "") + (0 if ratio is None or ratio != ratio else 1)

def plain(n):
    return n * 10 ** 300 if n and n > 60 else n
"""
NAMES = ("ratio", "label", "early", "size", "plain")


def write(root: Path, code: str, names: tuple[str, ...] = ("f",), **data: Any) -> Project:
    """A project of one table and one file of functions, with its contract."""
    (root / "data/raw").mkdir(parents=True)
    (root / "features").mkdir()
    (root / "features/own.py").write_text(code)
    random = np.random.default_rng(3)
    n = 600
    at = np.datetime64("2024-02-28", "us") + random.integers(0, 72, n).astype("timedelta64[h]")
    table = pa.table(
        {
            "x": pa.array(random.choice([None, math.nan, -1.5, 0.0, 7.25, 1e12], n), pa.float64()),
            "n": pa.array(random.choice([None, 0, 3, 70], n), pa.int64()),
            "k": pa.array(random.choice([None, "a", "bß", "NA"], n), pa.string()),
            "day": pa.array(at.astype("datetime64[D]"), mask=random.random(n) < 0.1),
            "at": pa.array(at, mask=random.random(n) < 0.1),
            "y": np.arange(n) % 2,
        }
    )
    pq.write_table(table, root / "data/raw/t.parquet")
    config = {
        "project": "p",
        "task": "binary",
        "data": {"table": "data/raw/t.parquet", "target": "y", **data},
        "features": {
            "columns": ["n"],
            "row": {"twice": "x * 2"},
            "python": [f"features/own.py:{name}" for name in names],
        },
    }
    (root / "mlops.yaml").write_text(json.dumps(config))
    project = load_project(root)
    write_missing_contracts(project)
    return project


def trees(project: Project) -> dict[str, Node]:
    layout = check_features(project.config, load_schemas(project), project.root)
    return {tree.name: tree.tree for tree in layout.trees}


def test_a_table_has_what_the_server_computes_of_each_row(tmp_path: Path) -> None:
    project = write(tmp_path, MORE, NAMES)
    made = featurize(project)
    assert made.features == ("n", "twice", *NAMES)
    found = pq.read_table(tmp_path / "data/features.parquet").to_pylist()
    events = pq.read_table(tmp_path / "data/raw/t.parquet").to_pylist()
    computes = {name: compile_tree(tree) for name, tree in trees(project).items()}
    several: set[Any] = set()
    for event, row in zip(events, found, strict=True):
        event["x"] = None if event["x"] is None or math.isnan(event["x"]) else event["x"]
        event["k"] = None if event["k"] == "NA" and row["label"].startswith("None") else event["k"]
        for name in NAMES:
            value = computes[name](event)
            several.add((name, value is None))
            if isinstance(value, str) or value is None:
                assert row[name] == value, (name, event)
            elif math.isnan(value) or abs(value) > 3e38:
                assert row[name] is None or not math.isfinite(row[name]), (name, event)
            else:
                assert row[name] == np.float32(value), (name, event)
    assert {(n, True) for n in ("ratio", "early", "plain")} < several


def test_types_are_those_that_are_declared_and_a_number_else(tmp_path: Path) -> None:
    found = trees(write(tmp_path, MORE, NAMES))
    assert [found[name].type for name in NAMES] == ["float", "text", "boolean", "integer", "float"]
    assert [a.value for a in found["ratio"].args[:2]] == ["x", "n"]
    assert found["ratio"].args[2].op != "column", "a row feature is computed in its place"


RAISES = "def f(x):\n    return 1 / (7.25 - x if x else 1)\n"
IMPURE = "import random\ndef f(x):\n    return random.random()\n"
STATE = "seen = []\ndef f(x):\n    seen.append(x)\n    return len(seen)\n"


@pytest.mark.parametrize(
    ("code", "says", "hint"),
    [
        (
            RAISES,
            r"raised ZeroDivisionError: .*own\.py, line 2\) at row \d+ .*given x=7\.25",
            "fix",
        ),
        ("def f(n):\n    return n + 1\n", r"raised TypeError.*given n=None", "a missing value is"),
        (IMPURE, "is not pure: it gave", "no clock, no chance, no state"),
        (STATE, "is not pure", "no state"),
        ("def f(n):\n    return 'a'\n", r"gave 'a' \(str\), and has to give float", "-> str"),
        ("def f(n) -> int:\n    return 2 ** 70\n", "beyond 64 bits", "fix"),
        ("def f(n) -> str:\n    return '\\ud800'\n", "no Unicode", "fix"),
        ("def f(n):\n    return [n]\n", "gave", "give float, int, bool, str or None"),
        (
            "import no_such\ndef f(n):\n    return 1\n",
            r"imports no_such, which .*line 1",
            "install",
        ),
        ("1 / 0\ndef f(n):\n    return 1\n", r"does not run: ZeroDivisionError.*line 1", "fix"),
        ("def f(n):\n    exit(3)\n", "raised SystemExit", "fix"),
        ("def f(n):\n    return 1\nf = 3\n", "has no function f", "fix"),
    ],
)
def test_a_function_that_fails_is_told_by_its_line_and_row(
    tmp_path: Path, code: str, says: str, hint: str
) -> None:
    project = write(tmp_path, code)
    with pytest.raises(PythonFault, match=says) as told:
        featurize(project)
    assert hint in (told.value.hint or "")
    assert told.value.exit_code == 2
    assert not (tmp_path / "data/features.parquet").exists()


@pytest.mark.parametrize(
    ("code", "says"),
    [
        ("def g(n):\n    return 1\n", "has no function 'f'"),
        ("def f(n:\n    return 1\n", r"own\.py, line 2: '\(' was never closed"),
        ("def f(nn):\n    return 1\n", "no column `nn`"),
        ("def f():\n    return 1\n", "has no argument"),
        ("def f(*n):\n    return 1\n", r"by \* or \*\*"),
        ("def f(n, *, x):\n    return 1\n", r"by \* or \*\*"),
        ("async def f(n):\n    return 1\n", "a coroutine"),
        ("def f(n):\n    yield 1\n", "a generator"),
        ("def f(k: float):\n    return 1\n", "declared as float, and it is text"),
        ("def f(n) -> list[int]:\n    return 1\n", r"list\[int\], which is no feature"),
        ("def f(y):\n    return y\n", "`y` is the target itself"),
    ],
)
def test_what_cannot_be_a_feature_is_refused_before_it_runs(
    tmp_path: Path, code: str, says: str
) -> None:
    project = write(tmp_path, f"open({str(tmp_path / 'ran')!r}, 'w')\n{code}")
    with pytest.raises(UsageError, match=says) as told:
        trees(project)
    assert "features.python" in told.value.message
    assert not (tmp_path / "ran").exists()


def test_a_file_that_is_not_there_or_elsewhere_is_named(tmp_path: Path) -> None:
    project = write(tmp_path, MORE, NAMES)
    (tmp_path / "features/own.py").unlink()
    with pytest.raises(UsageError, match=r"features/own\.py is not there"):
        trees(project)
    text = (tmp_path / "mlops.yaml").read_text()
    (tmp_path / "mlops.yaml").write_text(text.replace("features/own.py:size", "../own.py:size"))
    outside = load_project(tmp_path)
    (tmp_path / "features/own.py").write_text(MORE)
    with pytest.raises(UsageError, match="outside the project"):
        trees(outside)
    (tmp_path / "mlops.yaml").write_text(text.replace("own.py:size", "own:size"))
    with pytest.raises(UsageError, match=r"features\.python"):
        load_project(tmp_path)


def test_values_of_sensitive_columns_are_not_told(tmp_path: Path) -> None:
    project = write(tmp_path, "def f(k, n):\n    return int(k or 'bß')\n", sensitive=["k"])
    with pytest.raises(PythonFault) as told:
        featurize(project)
    assert "bß" not in told.value.message
    assert "k (not shown), n=" in told.value.message
    assert "ValueError (features/own.py, line 2)" in told.value.message


def test_a_function_is_the_one_that_a_model_was_made_with(tmp_path: Path) -> None:
    """A changed file is another function; one that is nowhere is said to be so."""
    project = write(tmp_path, "def f(n):\n    return 1.0\n")
    before = trees(project)["f"]
    (tmp_path / "features/own.py").write_text("def f(n):\n    return 2.0\n")
    after = trees(project)["f"]
    assert [compile_tree(t)({"n": 3}) for t in (before, after)] == [1.0, 2.0]
    assert function_of(before).sha256 != function_of(after).sha256
    lost = Node("python", "float", after.args, f"features/own.py:f@{'0' * 64}")
    with pytest.raises(BundleError, match=r"features/own\.py:f as it was") as told:
        source_of(function_of(lost))
    assert "python_in_server: true" in (told.value.hint or "")


def test_its_file_is_what_featurize_depends_on_and_nothing_else_changes(tmp_path: Path) -> None:
    project = write(tmp_path, MORE, NAMES)
    deps = deps_of(project, stage("featurize"))
    assert deps.count("features/own.py") == 1
    config = json.loads((tmp_path / "mlops.yaml").read_text())
    del config["features"]["python"]
    (tmp_path / "mlops.yaml").write_text(json.dumps(config))
    without = deps_of(load_project(tmp_path), stage("featurize"))
    assert without == [path for path in deps if path != "features/own.py"]


def test_lineage_goes_through_the_function_to_the_columns(tmp_path: Path) -> None:
    project = write(tmp_path, MORE, NAMES)
    schemas = load_schemas(project)
    layout = check_features(project.config, schemas, project.root)
    entries = {e.name: e for e in feature_entries(project.config, layout, schemas)}
    assert entries["size"].kind == "python"
    assert entries["size"].made == "features/own.py:size"
    assert [s.column for s in entries["size"].sources] == ["k", "x", "n"]


def _forms() -> list[Callable[[Node], Node]]:
    return [
        lambda n: Node("python", n.type, n.args, "features/own.py:f"),
        lambda n: Node("python", n.type, (), n.value),
        lambda n: Node("python", n.type, n.args, "../x.py:f@12"),
    ]


@pytest.mark.parametrize("spoil", _forms())
def test_a_tree_that_names_no_function_is_refused(
    tmp_path: Path, spoil: Callable[[Node], Node]
) -> None:
    node = trees(write(tmp_path, "def f(n):\n    return 1.0\n"))["f"]
    again = msgspec.json.decode(msgspec.json.encode(node), type=Node)
    assert again == node
    with pytest.raises(
        MlopsError, match=r"names no function|knows no operation 'python' of nothing"
    ):
        compile_tree(spoil(node))
