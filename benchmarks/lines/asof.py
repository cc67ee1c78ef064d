"""Events joined in time, with four windows: against SQL by hand, and against Feast."""

from __future__ import annotations

import math
import os
from pathlib import Path

from benchmarks.data import environment
from benchmarks.events import events_project, sums
from benchmarks.measure import Failed, Pairs, Run, pairs, python, run, work_parts, work_seconds
from benchmarks.results import Figure, Line

PAIRS = 3
ROWS = int(os.environ.get("MLOPS_BENCH_EVENTS", 10_000_000))
FEAST = ("feast>=0.67", "pyarrow", "dask[dataframe]")


def measure(work: Path) -> Line:
    """`featurize` of ten million events, in turns with each."""
    project = events_project(work, ROWS)
    by_hand = against_sql(project)
    title = f"As-of join of {ROWS / 1e6:g} M events with {ROWS / 1e7:g} M rows and 4 windows"
    figures = [
        Figure("against SQL by hand", by_hand.ratio(work_seconds), "x", 1.15, pairs=PAIRS),
        Figure("the same, processor time", by_hand.ratio(_work_cpu), "x", pairs=PAIRS),
    ]
    parts = {"featurize": work_parts(by_hand.ours), "SQL by hand": work_parts(by_hand.theirs)}
    told = ""
    try:
        feast = _against_feast(work)
        faster = 1 / feast.ratio(work_seconds)
        figures.append(Figure("times faster than Feast on a tenth", faster, "x", 50, at_least=True))
        parts |= {"featurize of a tenth": work_parts(feast.ours), "Feast": work_parts(feast.theirs)}
        asked, answered = feast.ours[0].said["rows"], feast.theirs[0].said["rows"]
        told = f" Of {asked:,} rows it gave back {answered:,}: of one key and moment only one."
    except Failed as e:
        told = f" Feast was not measured: {str(e).splitlines()[-1][:200]}."
    return Line(
        title=title,
        figures=tuple(figures),
        parts=parts,
        note="By hand one query of DuckDB makes the same rows in the same order and the same "
        "Parquet, whose sums are compared; neither side counts its imports. Feast's file store "
        "joins five values of a row that are ready: it makes no windows, and its time is that of "
        f"get_historical_features alone, into pandas.{told}",
    )


def _work_cpu(one: Run) -> float:
    return float(one.said["cpu"])


def against_sql(project: Path) -> Pairs:
    """Pairs of ours and the query by hand, which have to say the same."""
    hand = project / "by_hand.parquet"
    taken = pairs(
        lambda: run(python("ours/featurize.py", project), project),
        lambda: run(python("by_hand/asof.py", project / "data/raw", hand), project),
        PAIRS,
        warm=False,
    )
    ours, theirs = sums(project / "data/features.parquet", "__time__"), sums(hand, '"at"')
    if not all(math.isclose(a, b, rel_tol=1e-9) for a, b in zip(ours, theirs, strict=True)):
        raise Failed(f"they differ: {ours} and {theirs}")
    return taken


def _against_feast(work: Path) -> Pairs:
    project = events_project(work, ROWS // 10)
    interpreter = environment(work, "feast", *FEAST)
    script = Path(python("by_hand/feast_history.py")[1])
    return pairs(
        lambda: run(python("ours/featurize.py", project), project),
        lambda: run([str(interpreter), str(script), str(project / "data/raw")], project),
        1,
        warm=False,
    )
