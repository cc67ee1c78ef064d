"""A small shift of one column of twenty, and how often its first window names it."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from benchmarks import quiet
from benchmarks.results import Figure, Line

PROFILES, WINDOWS = 10, 100


def measure(work: Path) -> Line:
    """Windows of several profiles; nothing of it is kept in `work`."""
    named = [quiet.named_at_once(np.random.default_rng([7, i]), WINDOWS) for i in range(PROFILES)]
    return Line(
        title=f"`monitor`: a shift of {quiet.SHIFT:g} sigma in one of {quiet.COLUMNS} columns, "
        f"{quiet.BUSIER:,} independent rows a day",
        figures=(
            Figure(
                "named in the first window",
                sum(named) / (PROFILES * WINDOWS),
                "",
                target=0.9,
                at_least=True,
            ),
        ),
        parts={"windows": {"of one profile": WINDOWS, "in all": PROFILES * WINDOWS}},
        note="Drift of all rows and of three segments together, under a budget of "
        f"{quiet.BUDGET:g} alarm a month. `benchmarks/quiet.py`, the same that "
        "`tests/monitoring/test_quiet_months.py` runs fewer windows of.",
    )
