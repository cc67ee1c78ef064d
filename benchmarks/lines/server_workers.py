"""Two workers against one."""

from __future__ import annotations

from pathlib import Path

from benchmarks.data import trained
from benchmarks.measure import pairs
from benchmarks.results import Figure, Line
from benchmarks.servers import events, load_parts, ours, rate

PAIRS = 5


def measure(work: Path) -> Line:
    """32 connections on each in turns, by a load that takes its own part of the cores."""
    project = trained(work)
    (event,) = events(project, 1)
    bundle, others = project / "model", work / "two_workers"
    others.mkdir(exist_ok=True)
    with ours(others, bundle, event, workers="2") as two, ours(work, bundle, event) as one:
        taken = pairs(two.load, one.load, PAIRS, warm=True)
        parts = {
            "two workers": load_parts(taken.ours, two.memory()),
            "one worker": load_parts(taken.theirs, one.memory()),
        }
    return Line(
        title="The server, two workers against one",
        figures=(
            Figure("requests/s", taken.ratio(rate), "x", target=1.3, at_least=True, pairs=PAIRS),
        ),
        parts=parts,
        note="With keys and the prediction log. The load comes from the same cores: two workers "
        "share with it what one leaves to it.",
    )
