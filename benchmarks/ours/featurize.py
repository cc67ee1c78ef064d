"""usage: featurize.py PROJECT     makes its features, and says how long that took alone"""

from __future__ import annotations

import json
import sys
import time

import duckdb  # noqa: F401  imports are measured by another line

from mlops_cli import featurize, load_project

started = time.perf_counter()
result = featurize(load_project(sys.argv[1]))
print(json.dumps({"seconds": time.perf_counter() - started, "rows": result.rows}))
