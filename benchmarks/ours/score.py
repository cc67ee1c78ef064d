"""usage: score.py PROJECT IN OUT     `score` with the project's bundle, without the imports"""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path

import duckdb  # noqa: F401  imports are measured by another line
import mlops_cli.scoring.raw_table

import mlops_cli.scoring.predictions
import mlops_cli.serving.xgboost_model  # noqa: F401
from mlops_cli import load_project, score

root, source, destination = map(Path, sys.argv[1:])
started = time.perf_counter()
result = score(load_project(root), source, destination, bundle=root / "model")
print(json.dumps({"seconds": time.perf_counter() - started, "rows": result.rows}))
