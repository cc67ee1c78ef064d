"""Lines of the prediction log into Parquet, against DuckDB's own `read_json` by hand."""

from __future__ import annotations

import shutil
from pathlib import Path

from benchmarks.logged import watched
from benchmarks.measure import Run, median, pairs, python, run
from benchmarks.results import Figure, Line

PAIRS = 3
ROWS = 1_000_000
_ONE_CORE = ["taskset", "-c", "0"]


def measure(work: Path) -> Line:
    """A million lines in one segment, in turns, each on one core."""
    log = watched(work, "collect", ROWS)
    by_hand = work / "collect_by_hand.parquet"

    def ours() -> Run:
        shutil.rmtree(log.project / "monitoring", ignore_errors=True)
        command = python("ours/collect.py", log.project, log.segment)
        return run([*_ONE_CORE, *command], log.project)

    def theirs() -> Run:
        by_hand.unlink(missing_ok=True)
        return run([*_ONE_CORE, *python("by_hand/collect.py", log.segment, by_hand)], work)

    taken = pairs(ours, theirs, PAIRS, warm=True)
    return Line(
        title="`collect` of 1 M lines of the prediction log, one core",
        figures=(
            Figure("time against `read_json`", taken.ratio(_seconds), "x", target=1.2, pairs=PAIRS),
        ),
        parts={
            "mlops collect": _parts(taken.ours),
            "read_json by hand": _parts(taken.theirs),
        },
        note="Without imports. DuckDB is told the columns, so that it guesses nothing, and writes "
        "one Parquet file (zstd); ours also checks each line, keeps torn ones out, knows which "
        "segments it has, and syncs to the disk.",
    )


def _parts(runs: tuple[Run, ...]) -> dict[str, float]:
    return {
        "work, s": median(runs, _seconds),
        "peak memory, MB": median(runs, lambda r: r.peak) / 1e6,
    }


def _seconds(one: Run) -> float:
    return float(one.said["seconds"])
