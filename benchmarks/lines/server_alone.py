"""One connection that asks for one row at a time: what an answer takes where nobody else asks."""

from __future__ import annotations

from pathlib import Path

from benchmarks.data import trained
from benchmarks.measure import median
from benchmarks.results import Figure, Line
from benchmarks.servers import events, load_parts, ours, p50, p99

RUNS = 5


def measure(work: Path) -> Line:
    """The medians over the runs; the first, which warms, is left out."""
    project = trained(work)
    (event,) = events(project, 1)
    with ours(work, project / "model", event) as mlops:
        taken = [mlops.load(connections=1) for _ in range(RUNS + 1)][1:]
        memory = mlops.memory()
    return Line(
        title="The server, one connection, one row",
        figures=(
            Figure("p50", median(taken, p50), "ms", target=0.35, pairs=RUNS),
            Figure("p99", median(taken, p99), "ms", target=1.2, pairs=RUNS),
        ),
        parts={"mlops": load_parts(taken, memory)},
        note="With keys and the prediction log.",
    )
