"""From the start of an image's process to the moment at which it is ready."""

from __future__ import annotations

import os
import subprocess
import time
from pathlib import Path

from benchmarks.data import numbers, small_project, trained
from benchmarks.measure import Failed, Run, median, wall
from benchmarks.results import Figure, Line
from benchmarks.servers import free_port, serve_command

RUNS = 9
ROWS, COLUMNS = 10_000, 17


def measure(work: Path) -> Line:
    """The medians of several starts, a library after the other."""
    bundles = {
        "XGBoost": trained(work) / "model",
        "ONNX": small_project(
            work / "start_onnx",
            numbers(work, ROWS, COLUMNS),
            "y",
            tune="{trials: 1}",
            train="{estimator: 'sklearn:ensemble.HistGradientBoostingClassifier'}",
        )
        / "model",
    }
    starts = [{name: _start(bundle) for name, bundle in bundles.items()} for _ in range(RUNS + 1)]
    taken = {name: [start[name] for start in starts[1:]] for name in bundles}
    return Line(
        title="The server, from its start to ready",
        figures=tuple(
            Figure(f"a model in {name}", median(runs), "s", target=1.0, pairs=RUNS)
            for name, runs in taken.items()
        ),
        parts={
            name: {
                "to ready, s": median(runs),
                "processor time, s": median(runs, lambda r: r.cpu),
                "slowest, s": max(map(wall, runs)),
            }
            for name, runs in taken.items()
        },
        note="The process that an image starts, its files read before: every digest of the bundle "
        "is held to its manifest, and the golden rows are predicted.",
    )


def _start(bundle: Path) -> Run:
    """Start a server, end it when it says that it is ready, and say how long that took."""
    reads, writes = os.pipe()
    command = [*serve_command(bundle, free_port()), "--ready-fd", str(writes)]
    started = time.perf_counter()
    process = subprocess.Popen(command, stderr=subprocess.DEVNULL, pass_fds=[writes])
    os.close(writes)
    with os.fdopen(reads) as told:
        said = told.readline().strip()
        wall = time.perf_counter() - started
    process.terminate()
    _, _, usage = os.wait4(process.pid, 0)
    if said != "ready":
        raise Failed(f"the server of {bundle} does not start: {said}")
    return Run(wall, usage.ru_utime + usage.ru_stime, 0)
