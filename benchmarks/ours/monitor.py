"""usage: monitor.py PROJECT DAY     `monitor` without imports and page: the verdict on a day"""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path

import duckdb  # noqa: F401  imports are measured by other figures
import scipy.stats  # noqa: F401

import mlops_cli.actions.monitor as action
from mlops_cli import load_project

pages: list[float] = []
write = action.write_monitor_page


def timed(*arguments: object) -> None:
    """Write the page, and note how long it took."""
    began = time.perf_counter()
    write(*arguments)
    pages.append(time.perf_counter() - began)


action.write_monitor_page = timed
project = load_project(Path(sys.argv[1]))
started = time.perf_counter()
found = action.monitor(project, since=sys.argv[2])
whole = time.perf_counter() - started
said = {"seconds": whole - sum(pages), "page": sum(pages), "windows": found.judged}
print(json.dumps(said))
