"""usage: monitor.py PROJECT DAY     `monitor` without imports: the verdict on a day"""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path

import duckdb  # noqa: F401  imports are measured by other figures
import scipy.stats  # noqa: F401

from mlops_cli import load_project, monitor

project = load_project(Path(sys.argv[1]))
started = time.perf_counter()
found = monitor(project, since=sys.argv[2])
print(json.dumps({"seconds": time.perf_counter() - started, "windows": found.judged}))
