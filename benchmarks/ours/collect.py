"""usage: collect.py PROJECT SEGMENT     `collect --from SEGMENT` without imports"""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path

import pyarrow.parquet  # noqa: F401  imports are measured by other figures

from mlops_cli import collect, load_project

project = load_project(Path(sys.argv[1]))
started = time.perf_counter()
found = collect(project, files=[Path(sys.argv[2])])
print(json.dumps({"seconds": time.perf_counter() - started, "rows": found.rows}))
