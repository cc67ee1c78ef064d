"""usage: validate.py PROJECT     validates it, and says how long that took without the imports"""

from __future__ import annotations

import json
import sys
import time

import duckdb  # noqa: F401  imports are measured by another line

from mlops_cli import load_project, validate

started = time.perf_counter()
result = validate(load_project(sys.argv[1]))
seconds = time.perf_counter() - started
assert result.passed
print(json.dumps({"seconds": seconds}))
