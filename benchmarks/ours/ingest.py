"""usage: ingest.py PROJECT [validate]     ingests anew, and says how long that took alone"""

from __future__ import annotations

import json
import shutil
import sys
import time
from pathlib import Path

import duckdb  # noqa: F401  imports are measured by another line
import pyarrow.json
import pyarrow.parquet  # noqa: F401

from mlops_cli import ingest, load_project, validate

root = Path(sys.argv[1])
shutil.rmtree(root / "data", ignore_errors=True)
started = time.perf_counter()
result = ingest(load_project(root))
landed = time.perf_counter() - started
if sys.argv[2:]:
    assert validate(load_project(root)).passed
seconds = time.perf_counter() - started
print(json.dumps({"seconds": seconds, "ingest": landed, "rows": result.rows}))
