"""A table ten times as long takes hardly more memory: the peak of a scan is bounded."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from mlops_cli.tables import open_engine

ROWS = 300_000
SCAN = """
import resource, sys
from pathlib import Path
from mlops_cli.contracts.model import load_contract
from mlops_cli.contracts.scan import scan
from mlops_cli.tables import open_engine
with open_engine() as engine:
    found = scan(engine, Path(sys.argv[1]), load_contract(Path(sys.argv[2])), table="t")
assert not found.violations, found.violations
print(found.rows, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)
"""
CONTRACT = """\
columns:
  id: {type: integer, min: 0}
  kind: {type: text, categories: [k0, k1, k2, k3, k4, k5, k6]}
  name: {type: text, pattern: "name-[0-9]+"}
  a: {type: float, min: 0, max: 1}
  b: {type: float, min: 0, max: 1}
  c: {type: float, nullable: true, min: 0, max: 1}
  made: {type: timestamp, min: 2013-01-01}
rules: [{name: in order, expr: "a + b >= a"}]
"""


def peak(folder: Path, rows: int) -> int:
    path = folder / f"{rows}.parquet"
    with open_engine() as engine:
        made = engine.write_parquet(
            "select i as id, 'k' || i % 7 as kind, 'name-' || i as name, "
            "(i * 7919 % 1000) / 1000 as a, (i * 104729 % 1000) / 1000 as b, "
            "case when i % 9 > 0 then (i % 11) / 11 end as c, "
            f"timestamp '2013-01-01' + to_seconds(i) as made from range({rows}) as r(i)",
            path,
        )
    assert made == rows
    done = subprocess.run(
        [sys.executable, "-c", SCAN, str(path), str(folder / "t.yaml")],
        capture_output=True,
        text=True,
        check=True,
    )
    scanned, kilobytes = map(int, done.stdout.split())
    assert scanned == rows
    return kilobytes


@pytest.mark.slow
def test_the_peak_of_a_scan_is_bounded(tmp_path: Path) -> None:
    (tmp_path / "t.yaml").write_text(CONTRACT)
    assert peak(tmp_path, 10 * ROWS) <= 1.3 * peak(tmp_path, ROWS)
