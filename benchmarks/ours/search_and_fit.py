"""usage: search_and_fit.py PROJECT     `tune` and `train` again: the search and the fit alone"""

from __future__ import annotations

import json
import os
import sys
import time

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
tune(project, progress=searched)
train(project, progress=fitted)
search = searched.last - searched.first["checking"]
fit = fitted.first["judging"] - fitted.first["fitting"]
print(json.dumps({"search": search, "fit": fit}))
