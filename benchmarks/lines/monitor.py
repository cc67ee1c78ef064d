"""A day of a million logged predictions, judged, against Evidently's presets on the same rows."""

from __future__ import annotations

from pathlib import Path

from benchmarks.logged import Log, watched
from benchmarks.measure import Run, median, program, python, run
from benchmarks.results import Figure, Line

RUNS = 3
ROWS = 1_000_000
DAY = "2026-03-02"


def measure(work: Path) -> Line:
    """The judgement three times, of a fresh log of verdicts each; Evidently once."""
    log = watched(work, "monitor", ROWS)
    taken = [_judged(log) for _ in range(RUNS)]
    evidently = run(python("by_hand/evidently_monitor.py", log.reference, log.current), work)
    ours = median(taken, _seconds)
    (log.project / "monitoring/windows.jsonl").unlink()
    command = run([program("mlops"), "monitor"], log.project)
    return Line(
        title="`monitor`: a day of 1 M logged predictions x 20, with labels",
        figures=(
            Figure(
                "times as fast as Evidently",
                evidently.said["seconds"] / ours,
                "x",
                target=40,
                at_least=True,
            ),
            Figure("times as fast, with all imports", evidently.wall / command.wall, "x"),
        ),
        parts={
            "mlops monitor": {
                "verdict, s": ours,
                "our page, s": median(taken, _page),
                "whole process, s": command.wall,
                "peak memory, MB": command.peak / 1e6,
            },
            "Evidently": {
                "verdict, s": evidently.said["seconds"],
                "whole process, s": evidently.wall,
                "peak memory, MB": evidently.peak / 1e6,
            },
        },
        note="Without imports, and without our page. Ours reads the collected log (JSON inputs in "
        "Parquet) and the labels, and judges drift, quality, volume, latency, performance with "
        "intervals and its estimate, on at most about 100,000 rows but for volume, latency and "
        "errors; Evidently's presets of data drift and classification take the two tables as "
        "Parquet, all rows.",
    )


def _judged(log: Log) -> Run:
    (log.project / "monitoring/windows.jsonl").unlink(missing_ok=True)
    return run(python("ours/monitor.py", log.project, DAY), log.project)


def _seconds(one: Run) -> float:
    return float(one.said["seconds"])


def _page(one: Run) -> float:
    return float(one.said["page"])
