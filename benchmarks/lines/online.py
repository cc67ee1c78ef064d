"""Features that the server looks up: 20 of one key, from SQLite and from Redis."""

from __future__ import annotations

from collections.abc import Mapping
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
            Figure("Redis, processor time against one GET", _against_get(found["redis"]), "x"),
        ),
        parts={kind: _part(said) for kind, said in found.items()},
        note="The GET is of the library's own asynchronous client, one after each read.",
    )


def _against_get(said: Mapping[str, float]) -> float:
    return said["processor"] / said["get processor"]


def _part(said: Mapping[str, float]) -> dict[str, float]:
    asked = {"p50": "p50, ms", "p99": "p99, ms", "processor": "processor time, ms",
             "get p50": "a GET, p50, ms", "get p99": "a GET, p99, ms",
             "get processor": "a GET, processor time, ms"}  # fmt: skip
    shown = {text: said[name] * 1e3 for name, text in asked.items() if name in said}
    return {**shown, "fill of 200,000 rows, s": said["fill"]}
