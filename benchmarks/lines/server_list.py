"""A thousand rows in one request, against predicting an array that is ready."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from benchmarks.data import trained
from benchmarks.measure import Run, median, pairs, python, run
from benchmarks.results import Figure, Line
from benchmarks.servers import events, load_parts, ours, p50
from mlops_cli.bundle.reader import open_bundle
from mlops_cli.serving.predictor import open_predictor

PAIRS = 5
ROWS = 1000


def measure(work: Path) -> Line:
    """One connection, and `inplace_predict` with all threads and with one, in turns."""
    project = trained(work)
    bundle, matrix = project / "model", work / "rows.npy"
    rows = events(project, ROWS)
    np.save(matrix, open_predictor(open_bundle(bundle)).encode(rows))

    def ready(threads: int) -> Run:
        return run(python("by_hand/ready.py", bundle, matrix, threads), work)

    with ours(work, bundle, rows) as mlops:

        def load() -> Run:
            return mlops.load(connections=1)

        against_all = pairs(load, lambda: ready(0), PAIRS, warm=True)
        against_one = pairs(load, lambda: ready(1), PAIRS, warm=False)
        memory = mlops.memory()
    return Line(
        title=f"The server, {ROWS:,} rows in one request, against `inplace_predict` of an array "
        "that is ready",
        figures=(
            Figure("time", against_all.ratio(p50), "x", target=4, pairs=PAIRS),
            Figure("time, against one thread", against_one.ratio(p50), "x", pairs=PAIRS),
        ),
        parts={
            "mlops": load_parts(against_all.ours, memory),
            "inplace_predict": {"p50, ms": median(against_all.theirs, p50)},
            "inplace_predict, one thread": {"p50, ms": median(against_one.theirs, p50)},
        },
        note="Medians of the calls. Ours reads JSON, checks every value, makes the features, "
        "predicts with its worker's one thread, writes a line of the log for each row, and JSON; "
        "the other side calls XGBoost's Python package, with all threads as it comes.",
    )
