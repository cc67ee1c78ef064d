"""Rules of a contract, and features in Python, that cannot be held or computed."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from command_line import Done
from mlops_cli.config.load import load_project
from mlops_cli.config.project import Project
from mlops_cli.errors import MlopsError
from mlops_cli.stages.featurize import featurize
from mlops_cli.stages.validate import validate
from said import check, leftovers

COLUMNS = (
    "  id: {type: integer}\n  k: {type: text}\n  at: {type: timestamp}\n"
    "  x: {type: float, nullable: true%s}\n  y: {type: integer}\n"
)
FEATURES = "  columns: [x]\n"
ROWS = 48


def _project(root: Path, contract: str, column: str = "", features: str = "") -> None:
    """A table of an hour a row, and another one of its keys."""
    (root / "data/raw").mkdir(parents=True)
    (root / "contracts").mkdir()
    table = {
        "id": list(range(ROWS)),
        "k": ["a", "b"] * (ROWS // 2),
        "at": [f"2024-01-0{1 + i // 24}T{i % 24:02}:00:00" for i in range(ROWS)],
        "x": [float(i % 7) for i in range(ROWS - 1)] + [1e6],
        "y": [i % 2 for i in range(ROWS)],
    }
    pq.write_table(pa.table(table), root / "data/raw/t.parquet")
    pq.write_table(pa.table({"k": ["a"], "n": [1]}), root / "data/raw/keys.parquet")
    (root / "contracts/t.yaml").write_text(f"columns:\n{COLUMNS % column}{contract}\n")
    (root / "contracts/keys.yaml").write_text("columns: {k: {type: text}, n: {type: integer}}\n")
    (root / "mlops.yaml").write_text(
        "project: p\ntask: binary\ndata: {table: data/raw/t.parquet, target: y, time: at}\n"
        f"validate: {{tables: [data/raw/keys.parquet]}}\nfeatures:\n{FEATURES}{features}\n"
    )


def _done(root: Path, stage: Callable[[Project], object]) -> Done:
    """How a command ends in which the stage fails: without DVC, which starts it."""
    try:
        stage(load_project(root))
    except MlopsError as e:
        return Done(e.exit_code, "", f"error: {e.message}\nhint: {e.hint}")
    return Done(0, "", "")


RULES: dict[str, tuple[str, str]] = {  # what the contract has, and what its column x has
    "rule-foreign-key": ("foreign_keys: [{columns: [k], table: keys}]", ""),
    "rule-foreign-key-of-no-table": ("foreign_keys: [{columns: [k], table: shops}]", ""),
    "rule-foreign-key-of-no-column": ("foreign_keys: [{columns: [k], table: keys, to: [c]}]", ""),
    "rule-foreign-key-of-another-type": (
        "foreign_keys: [{columns: [k], table: keys, to: [n]}]", ""),
    "rule-foreign-key-of-other-counts": (
        "foreign_keys: [{columns: [id, k], table: keys, to: [k]}]", ""),
    "rule-outliers": ("", ", outliers: {by: mad}"),
    "rule-outliers-by-no-method": ("", ", outliers: {by: sigma}"),
    "rule-row-counts": ("row_counts: [{column: at, window: 1d, max: 20}]", ""),
    "rule-row-counts-of-no-time": ("row_counts: [{column: k, window: 1d, max: 20}]", ""),
    "rule-row-counts-without-bounds": ("row_counts: [{column: at, window: 1d}]", ""),
    "rule-row-counts-upside-down": ("row_counts: [{column: at, window: 1d, min: 9, max: 1}]", ""),
    "rule-distribution-of-no-column": ("distribution: {columns: [z]}", ""),
    "rule-distribution-beyond-1": ("distribution: {columns: [x], max_moved: 2}", ""),
    "rule-query": ("queries: [{name: no zero, sql: 'select * from t where x = 0'}]", ""),
    "rule-query-that-is-none": ("queries: [{name: q, sql: 'selct 1'}]", ""),
    "rule-query-of-no-table": ("queries: [{name: q, sql: 'select * from nothing'}]", ""),
    "rule-query-that-writes": ("queries: [{name: q, sql: 'delete from t'}]", ""),
    "rule-query-that-reads-a-file": (
        "queries: [{name: q, sql: \"select * from read_csv('/etc/passwd')\"}]", ""),
    "rule-expression-of-no-column": ("rules: [{name: r, expr: z > 1}]", ""),
}  # fmt: skip


@pytest.mark.parametrize("name", RULES)
def test_a_rule_that_is_broken_or_wrong(name: str, tmp_path: Path) -> None:
    contract, column = RULES[name]
    _project(tmp_path, contract, column)
    check(_done(tmp_path, validate), name)
    assert leftovers(tmp_path) == []


PYTHON: dict[str, str] = {  # the file, whose function is `f`
    "python-raises": "def f(x: float | None) -> float:\n    return 1 / x\n",
    "python-another-type": "def f(k: str) -> float:\n    return k\n",
    "python-not-pure": "n = 0\ndef f(x: float | None) -> float:\n    global n\n    n += 1\n"
    "    return n\n",
    "python-by-chance": "import random\ndef f(x: float | None) -> float:\n"
    "    return random.random()\n",
    "python-imports-nothing": "import no_such_package\ndef f(x: float | None) -> float:\n"
    "    return x\n",
    "python-does-not-run": "1 / 0\ndef f(x: float | None) -> float:\n    return x\n",
    "python-no-python": "def f(x: float | None) -> float\n    return x\n",
    "python-no-function": "def g(x: float | None) -> float:\n    return x\n",
    "python-no-such-column": "def f(z: float) -> float:\n    return z\n",
    "python-reads-the-target": "def f(y: int) -> int:\n    return y\n",
    "python-any-arguments": "def f(*x) -> float:\n    return 1.0\n",
    "python-no-number": "def f(x: float | None) -> list[float]:\n    return [x]\n",
}


@pytest.mark.parametrize("name", PYTHON)
def test_a_function_that_is_no_feature(name: str, tmp_path: Path) -> None:
    _project(tmp_path, "", features="  python: [own.py:f]")
    (tmp_path / "own.py").write_text(PYTHON[name])
    check(_done(tmp_path, featurize), name)
    assert leftovers(tmp_path) == []
