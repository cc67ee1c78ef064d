"""What a server holds after many requests, against what it held after a few."""

from __future__ import annotations

from pathlib import Path

from benchmarks.data import trained
from benchmarks.results import Figure, Line
from benchmarks.servers import Server, events, ours

FEW, MANY = 10_000, 200_000


def measure(work: Path) -> Line:
    """One worker, 32 connections, one model."""
    project = trained(work)
    (event,) = events(project, 1)
    with ours(work, project / "model", event) as mlops:
        at_few = _ask(mlops, FEW)
        before = mlops.memory()
        at_many = at_few + _ask(mlops, MANY - at_few)
        after = mlops.memory()
    return Line(
        title=f"The server's memory after {MANY:,} requests against after {FEW:,}",
        figures=(Figure("memory", after / before, "x", target=1.05),),
        parts={
            "few": {"requests": at_few, "memory, MB": before / 1e6},
            "many": {"requests": at_many, "memory, MB": after / 1e6},
        },
        note="With keys and the prediction log.",
    )


def _ask(server: Server, requests: int) -> int:
    """Ask so often at least, a second at a time; says how often it was."""
    asked = 0
    while asked < requests:
        asked += int(server.load(seconds=1).said["requests"])
    return asked
