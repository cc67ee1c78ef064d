"""usage: featurize.py PROJECT     makes its features, and says how long that took alone"""

from __future__ import annotations

import json
import sys
import time

import duckdb  # noqa: F401  imports are measured by another line

from mlops_cli import featurize, load_project

started, before = time.perf_counter(), time.process_time()
result = featurize(load_project(sys.argv[1]))
seconds, cpu = time.perf_counter() - started, time.process_time() - before
print(json.dumps({"seconds": seconds, "cpu": cpu, "rows": result.rows}))
