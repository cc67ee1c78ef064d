"""The whole evaluation of 60,000 hold-out rows against the library's own TreeSHAP."""

from __future__ import annotations

from pathlib import Path

from benchmarks.data import trained
from benchmarks.measure import pairs, python, run, work_parts, work_seconds
from benchmarks.results import Figure, Line

PAIRS = 3


def measure(work: Path) -> Line:
    """Intervals, slices, fairness, weak spots, explanations, page: in turns with SHAP."""
    project = trained(work)
    ours = python("ours/evaluate.py", project)
    explained = run(ours, work).said["explained"]
    taken = pairs(
        lambda: run(ours, work),
        lambda: run(python("by_hand/tree_shap.py", project / "model", explained), work),
        PAIRS,
        warm=True,
    )
    beyond = [
        work_seconds(a) - work_seconds(b) for a, b in zip(taken.ours, taken.theirs, strict=True)
    ]
    return Line(
        title="the whole evaluation of 60,000 hold-out rows against the library's own TreeSHAP",
        figures=(
            Figure(
                f"beyond TreeSHAP of the {explained} rows that it explains",
                sorted(beyond)[PAIRS // 2],
                "s",
                target=15.0,
                pairs=PAIRS,
            ),
        ),
        parts={"evaluation": work_parts(taken.ours), "TreeSHAP": work_parts(taken.theirs)},
        note="Without imports. Ours: every metric with its interval and against the baseline, "
        "calibration, curves, fairness of two columns and their pair, twelve slices, weak spots, "
        "explanations (of 1,000 rows, which `evaluate.explain` asks for: by default so large a "
        "model is explained on 100) with interactions, the card and the page. The other side: "
        "`pred_contribs` of as many rows by XGBoost's own package.",
    )
