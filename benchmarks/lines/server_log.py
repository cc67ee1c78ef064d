"""What the prediction log costs at full load: the same server with it and without."""

from __future__ import annotations

import statistics
from pathlib import Path

from benchmarks.data import trained
from benchmarks.measure import pairs
from benchmarks.results import Figure, Line
from benchmarks.servers import events, load_parts, ours, p99, rate

PAIRS = 7


def measure(work: Path) -> Line:
    """32 connections on each in turns."""
    project = trained(work)
    (event,) = events(project, 1)
    bundle, others = project / "model", work / "without_log"
    others.mkdir(exist_ok=True)
    with ours(work, bundle, event) as with_log, ours(others, bundle, event, log="null") as without:
        taken = pairs(with_log.load, without.load, PAIRS, warm=True)
        parts = {
            "with the log": load_parts(taken.ours, with_log.memory()),
            "without": load_parts(taken.theirs, without.memory()),
        }
    longer = [p99(a) - p99(b) for a, b in zip(taken.ours, taken.theirs, strict=True)]
    return Line(
        title="The server, what the prediction log costs at full load",
        figures=(
            Figure("requests/s", taken.ratio(rate), "x", target=0.9, at_least=True, pairs=PAIRS),
            Figure("longer p99", statistics.median(longer), "ms", target=0.5, pairs=PAIRS),
        ),
        parts=parts,
        note="A line of some 600 bytes for each request, which brings a key. The load comes from "
        "the same cores, and takes what the server leaves.",
    )
