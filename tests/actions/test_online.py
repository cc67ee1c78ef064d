"""`mlops features materialize` and `get`: what is there, what is wrong, and who is killed."""

from __future__ import annotations

import random
import signal
import subprocess
import sys
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from mlops_cli.actions.online import get_features, materialize
from mlops_cli.config.load import load_project
from mlops_cli.config.project import Project
from mlops_cli.contracts.missing import write_missing_contracts
from mlops_cli.errors import EnvironmentFault, UsageError
from online_store import facts_of

_KILLED = """
import sys, time
from pathlib import Path
from mlops_cli.config.load import load_project
from mlops_cli.actions import online
from mlops_cli.features.materialize import Buckets
chunks = Buckets.chunks
def slowly(self):
    for place, chunk in enumerate(chunks(self)):
        yield chunk
        if place == 3:
            print("half", flush=True)
            time.sleep(600)
Buckets.chunks = slowly
online.materialize(load_project(Path(sys.argv[1])))
"""


@pytest.fixture
def project(tmp_path: Path) -> Project:
    rows = [r for r in facts_of(random.Random(31), 300) if r["ts"] and r["k"]]
    table = pa.Table.from_pylist([{**r, "y": i % 2} for i, r in enumerate(rows)])
    (tmp_path / "data/raw").mkdir(parents=True)
    pq.write_table(table, tmp_path / "data/raw/t.parquet")
    (tmp_path / "mlops.yaml").write_text(
        "project: p\ntask: binary\ndata: {table: data/raw/t.parquet, target: y, time: ts}\n"
        "features:\n  columns: [i]\n  online: sqlite\n  aggregates:\n"
        "    - {name: rows, expr: count(*), table: data/raw/t.parquet, by: [k], window: 3d, "
        "lag: 1h, source: online}\n"
        "    - {name: most, expr: max(i), table: data/raw/t.parquet, by: [k, n], window: 3d, "
        "lag: 1h, source: online}\n"
    )
    write_missing_contracts(load_project(tmp_path))
    return load_project(tmp_path)


def test_a_key_is_looked_up_and_what_is_wrong_with_it_is_told(project: Project) -> None:
    with pytest.raises(EnvironmentFault, match="is empty"):
        get_features(project, ["k=a"])
    filled = materialize(project, until="2013-01-12T00:00:00Z")
    assert (filled.features, filled.until) == (("rows", "most"), "2013-01-12T00:00:00Z")
    assert filled.changed > 0
    assert materialize(project, until="2013-01-12").changed == 0
    found = get_features(project, ["k=a"], at="2013-01-11T12:00:00Z")
    assert found.values.keys() == {"rows"}
    assert found.values["rows"] > 0
    both = get_features(project, ["k=a", "n=1"], at="2013-01-11T12:00:00Z")
    assert both.values["rows"] == found.values["rows"]
    assert both.values.keys() == {"rows", "most"}
    for keys, at, said in (
        (["kk=a"], None, "--key kk: no feature is looked up by it"),
        (["k"], None, "--key k: not COLUMN=VALUE"),
        (["k=a", "n=many"], None, "--key n: wanted an integer"),
        (["n=1"], None, "no feature is looked up by n alone"),
        (["k=a"], "noon", "--at: wanted an ISO 8601 timestamp"),
    ):
        with pytest.raises(UsageError) as e:
            get_features(project, keys, at=at)
        assert e.value.message.startswith(said)
    text = (project.root / "mlops.yaml").read_text()
    (project.root / "mlops.yaml").write_text(text.replace("source: online", "source: table"))
    with pytest.raises(UsageError, match="no feature is looked up"):
        materialize(load_project(project.root))
    (project.root / "mlops.yaml").write_text(text.replace("  online: sqlite\n", ""))
    with pytest.raises(UsageError, match="`source: online` needs `online: sqlite`"):
        load_project(project.root)


def test_who_is_killed_leaves_what_was_there_and_the_next_one_fills_it(project: Project) -> None:
    materialize(project, until="2013-01-05")
    before = get_features(project, ["k=a", "n=1"], at="2013-01-05")
    line = [sys.executable, "-c", _KILLED, str(project.root)]
    with subprocess.Popen(line, stdout=subprocess.PIPE) as killed:
        assert killed.stdout is not None
        assert killed.stdout.readline() == b"half\n"
        with pytest.raises(EnvironmentFault, match="another process fills the online store"):
            materialize(project)
        killed.send_signal(signal.SIGKILL)
        killed.wait()
    assert get_features(project, ["k=a", "n=1"], at="2013-01-05") == before
    materialize(project, until="2013-01-20")
    assert get_features(project, ["k=a"], at="2013-01-20").until == "2013-01-20T00:00:00Z"
