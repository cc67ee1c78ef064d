"""Two workers against one."""

from __future__ import annotations

from pathlib import Path

from benchmarks.data import trained
from benchmarks.measure import pairs
from benchmarks.results import Figure, Line
from benchmarks.servers import events, load_parts, ours, rate

PAIRS = 5
CONNECTIONS = 64  # 32 for each of two workers


def measure(work: Path) -> Line:
    """So many connections, and half of them, by a load that takes its own part of the cores."""
    project = trained(work)
    (event,) = events(project, 1)
    bundle, others = project / "model", work / "two_workers"
    others.mkdir(exist_ok=True)
    with ours(others, bundle, event, workers="2") as two, ours(work, bundle, event) as one:
        taken, fewer = (
            pairs(
                lambda n=n: two.load(connections=n),
                lambda n=n: one.load(connections=n),
                PAIRS,
                warm=True,
            )
            for n in (CONNECTIONS, CONNECTIONS // 2)
        )
        parts = {
            "two workers": load_parts(taken.ours, two.memory()),
            "one worker": load_parts(taken.theirs, one.memory()),
            "two workers, half the connections": load_parts(fewer.ours, two.memory()),
            "one worker, half the connections": load_parts(fewer.theirs, one.memory()),
        }
    return Line(
        title="The server, two workers against one",
        figures=(
            Figure(
                f"requests/s, {CONNECTIONS} connections",
                taken.ratio(rate),
                "x",
                target=1.3,
                at_least=True,
                pairs=PAIRS,
            ),
            Figure(
                f"requests/s, {CONNECTIONS // 2} connections",
                fewer.ratio(rate),
                "x",
                at_least=True,
                pairs=PAIRS,
            ),
        ),
        parts=parts,
        note="With keys and the prediction log. The load comes from the same cores: two workers "
        "share with it what one leaves to it. What a turn of a worker's loop costs is shared by "
        "the requests that it finds: of 32 connections each of two workers has but 16.",
    )
