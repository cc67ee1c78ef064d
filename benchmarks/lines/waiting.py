"""Why the tool sets OMP_WAIT_POLICY=PASSIVE: threads that wait should sleep, not spin."""

from __future__ import annotations

from pathlib import Path

from benchmarks.measure import Pairs, Run, busy, median, pairs, python, run
from benchmarks.results import Figure, Line

PAIRS = 5


def measure(work: Path) -> Line:
    """One fit with sleeping threads against one with spinning ones, with and without company."""
    alone = _taken(work)
    with busy(1):
        beside = _taken(work)
    return Line(
        title="Threads that sleep while they wait, against threads that spin: a fit of XGBoost",
        figures=(
            Figure("time alone", alone.ratio(_seconds), "x", pairs=PAIRS),
            Figure("time beside one busy process", beside.ratio(_seconds), "x", pairs=PAIRS),
        ),
        parts={
            "sleeping": {"alone, s": median(alone.ours, _seconds), **_beside(beside.ours)},
            "spinning": {"alone, s": median(alone.theirs, _seconds), **_beside(beside.theirs)},
        },
    )


def _taken(work: Path) -> Pairs:
    return pairs(lambda: _fit(work, "PASSIVE"), lambda: _fit(work, "ACTIVE"), PAIRS, warm=False)


def _fit(work: Path, policy: str) -> Run:
    return run(python("ours/fit.py"), work, env={"OMP_WAIT_POLICY": policy})


def _beside(runs: tuple[Run, ...]) -> dict[str, float]:
    return {"beside a busy process, s": median(runs, _seconds)}


def _seconds(one: Run) -> float:
    return float(one.said["seconds"])
