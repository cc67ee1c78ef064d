"""usage: drift.py PROJECT FILE     `drift` without imports: its numbers, and then its page"""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path

import duckdb  # noqa: F401  imports are measured by other figures

from mlops_cli import drift, load_project


class Clock:
    """Notes when the numbers are done and the page begins."""

    def update(self, message: str, *, done: float = 0.0, total: float | None = None) -> None:
        self.at = time.perf_counter()

    def log(self, message: str) -> None:
        print(message, file=sys.stderr)


clock = Clock()
root = Path(sys.argv[1])
started = time.perf_counter()
drift(load_project(root), current=Path(sys.argv[2]), bundle=root / "model", progress=clock)
ended = time.perf_counter()
print(json.dumps({"seconds": clock.at - started, "page": ended - clock.at}))
