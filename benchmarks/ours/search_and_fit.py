"""usage: search_and_fit.py PROJECT [search]

`tune` and `train` again: seconds of the search and of the fit alone; `search`: of the first only.
"""

from __future__ import annotations

import hashlib
import json
import os
import sys
import time
from pathlib import Path

from mlops_cli import load_project, train, tune
from mlops_cli.stages import ANEW


class Clock:
    """Notes when each message came first, and when the last one came."""

    def __init__(self) -> None:
        self.first: dict[str, float] = {}
        self.last = 0.0

    def update(self, message: str, *, done: float = 0.0, total: float | None = None) -> None:
        self.last = time.perf_counter()
        self.first.setdefault(message.partition(" ")[0], self.last)

    def log(self, message: str) -> None:
        print(message, file=sys.stderr)


os.environ[ANEW] = "1"  # else the trials of the first search are taken over
project = load_project(sys.argv[1])
searched, fitted = Clock(), Clock()
found = tune(project, progress=searched)
said: dict[str, object] = {"search": searched.last - searched.first["checking"]}
if "search" in sys.argv:
    best = (Path(sys.argv[1]) / "tune/best.json").read_bytes()
    said |= {"trials": found.trials, "best": hashlib.sha256(best).hexdigest()}
    said["seconds"] = said["search"]
else:
    train(project, progress=fitted)
    said["fit"] = fitted.first["judging"] - fitted.first["fitting"]
print(json.dumps(said))
