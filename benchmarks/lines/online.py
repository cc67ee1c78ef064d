"""Features that the server looks up: 20 of one key, from SQLite and from Redis."""

from __future__ import annotations

from pathlib import Path

from benchmarks.measure import python, run
from benchmarks.results import Figure, Line


def measure(work: Path) -> Line:
    """The time of a read as the server makes it, without HTTP: 20 aggregates in four windows."""
    found = {kind: run(python("ours/online.py", kind), work).said for kind in ("sqlite", "redis")}
    return Line(
        title="Online read of 20 features of one key",
        figures=(
            Figure("SQLite, p99", found["sqlite"]["p99"] * 1e3, "ms", target=0.3),
            Figure("Redis, p99", found["redis"]["p99"] * 1e3, "ms", target=0.6),
        ),
        parts={
            kind: {
                "p50, ms": said["p50"] * 1e3,
                "p99, ms": said["p99"] * 1e3,
                "fill of 200,000 rows, s": said["fill"],
            }
            for kind, said in found.items()
        },
    )
