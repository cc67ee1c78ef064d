"""One worker with keys, checks, metrics and log, against a bare application and against MLflow."""

from __future__ import annotations

import shutil
from pathlib import Path

from benchmarks.data import trained
from benchmarks.measure import median, pairs, program, python, run
from benchmarks.results import Figure, Line
from benchmarks.servers import (
    Server,
    bare,
    events,
    free_port,
    load_parts,
    ours,
    p99,
    rate,
    same,
    serving,
)

PAIRS = 5


def measure(work: Path) -> Line:
    """32 connections that ask again when they are answered, a side after the other."""
    project = trained(work)
    (event,) = events(project, 1)
    model = work / "mlflow_model"
    shutil.rmtree(model, ignore_errors=True)
    run(python("by_hand/mlflow_model.py", project / "model", model), work)
    port = free_port()
    asked = Server(work, port, "/invocations", {"dataframe_records": [event]}, {})
    command = [program("mlflow"), "models", "serve", "--env-manager", "local", "-m", str(model)]
    with ours(work, project / "model", event) as mlops, bare(work) as constant:
        by_bare = pairs(mlops.load, constant.load, PAIRS, warm=True)
        with serving(asked, [*command, "-p", str(port)]) as mlflow:
            same(mlops.once()["predictions"][0]["probability"], mlflow.once()["predictions"][0])
            by_mlflow = pairs(mlops.load, mlflow.load, PAIRS, warm=True)
            parts = {
                "mlops": load_parts(by_bare.ours, mlops.memory()),
                "bare ASGI application": load_parts(by_bare.theirs, constant.memory()),
                "mlops, beside MLflow": load_parts(by_mlflow.ours, mlops.memory()),
                "mlflow models serve": load_parts(by_mlflow.theirs, mlflow.memory()),
            }
    times = {"unit": "x", "at_least": True, "pairs": PAIRS}
    return Line(
        title="The server, one worker, 32 connections, with keys and the prediction log",
        figures=(
            Figure(
                "requests/s against a bare ASGI application on uvicorn that answers a constant",
                by_bare.ratio(rate),
                target=0.75,
                **times,
            ),
            Figure(
                "requests/s against `mlflow models serve`",
                by_mlflow.ratio(rate),
                target=150,
                **times,
            ),
            Figure("p99", median(by_bare.ours, p99), "ms", target=30, pairs=PAIRS),
        ),
        parts=parts,
        note="Every request brings a key, is checked and counted, and leaves a line in the log. "
        "The bare application does none of that, and reads its body. MLflow's is a pyfunc that "
        "makes the row feature and the categories' numbers in pandas and calls the same booster, "
        "without keys and log; both answer the same probability, which is checked before. The load "
        "comes from the same cores.",
    )
