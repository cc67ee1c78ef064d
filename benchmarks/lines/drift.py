"""Drift of a million rows against Evidently's default preset, and against numpy by hand."""

from __future__ import annotations

from pathlib import Path

from benchmarks.data import small_project, table
from benchmarks.measure import Run, median, pairs, program, python, run
from benchmarks.results import Figure, Line

PAIRS = 5
ROWS = 1_000_000
_NUMBERS = (
    *(f"(hash(i + {j}) % {m}) / {m}.0" for j, m in enumerate((100_000, 9_973, 1_000_003), 1)),
    *(f"ln((1 + hash(i + {j}) % {m}) / {m}.0)" for j, m in enumerate((99_991, 800, 1_000_003), 4)),
    *(f"sin((hash(i + {j}) % {m})::double)" for j, m in enumerate((12_347, 499, 77_777), 7)),
    *(f"nullif(hash(i + {j}) % {m}, 0)::double" for j, m in enumerate((12, 50, 365), 10)),
    *(f"(hash(i + {j}) % {m})::integer" for j, m in enumerate((24, 2_000, 1_000_003), 13)),
)
_TEXTS = (3, 7, 20, 60, 150)


def measure(work: Path) -> Line:
    """Numbers and verdicts in turns with numpy by hand; Evidently once; the whole command once."""
    reference, current = _rows(work, "reference", 0), _rows(work, "current", ROWS)
    project = small_project(work / "drift", reference, "y")
    by_hand = work / "drift_by_hand.npz"
    run(python("by_hand/drift.py", "prepare", reference, by_hand), work)
    taken = pairs(
        lambda: run(python("ours/drift.py", project, current), project),
        lambda: run(python("by_hand/drift.py", "compare", current, by_hand), work),
        PAIRS,
        warm=True,
    )
    evidently = run(python("by_hand/evidently_report.py", reference, current), work)
    ours = median(taken.ours, _seconds)
    page = median(taken.ours, lambda r: float(r.said["page"]))
    command = run(
        [program("mlops"), "drift", "--current", str(current), "--bundle", "model"], project
    )
    return Line(
        title="`drift` of 1 M x 20",
        figures=(
            Figure(
                "times as fast as Evidently",
                evidently.said["seconds"] / ours,
                "x",
                target=50,
                at_least=True,
            ),
            Figure(
                "time against numpy by hand", taken.ratio(_seconds), "x", target=1.5, pairs=PAIRS
            ),
            Figure(
                "times as fast, with the page and all imports", evidently.wall / command.wall, "x"
            ),
        ),
        parts={
            "mlops drift": {
                "numbers and verdicts, s": ours,
                "the page of 2000 rows, s": page,
                "whole process, s": command.wall,
                "peak memory, MB": command.peak / 1e6,
            },
            "numpy by hand": {
                "numbers and verdicts, s": median(taken.theirs, _seconds),
                "whole process, s": median(taken.theirs),
                "peak memory, MB": median(taken.theirs, lambda r: r.peak) / 1e6,
            },
            "Evidently": {
                "numbers and verdicts, s": evidently.said["seconds"],
                "whole process, s": evidently.wall,
                "peak memory, MB": evidently.peak / 1e6,
            },
        },
        note="Without imports. Ours counts the current rows and holds them against the profile in "
        "the bundle; numpy does the same with quantiles that it kept; Evidently's default report "
        "takes both tables. The command also draws a page of 2,000 rows a side.",
    )


def _rows(work: Path, name: str, start: int) -> Path:
    numbers = [f"{sql} as n{j}" for j, sql in enumerate(_NUMBERS)]
    texts = [f"'text ' || hash(i + {30 + j}) % {n} as t{j}" for j, n in enumerate(_TEXTS)]
    cells = ", ".join([*numbers, *texts])
    target = "(hash(i + 40) % 1000)::double as y"
    rows = f"range({start}, {start + ROWS}) t(i)"
    return table(work, f"drift_{name}", f"select {cells}, {target} from {rows}")


def _seconds(one: Run) -> float:
    return float(one.said["seconds"])
