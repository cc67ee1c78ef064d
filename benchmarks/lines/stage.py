"""What a stage costs beyond its work: DVC's share, the fork, reading the configuration."""

from __future__ import annotations

import re
import shutil
import statistics
from pathlib import Path

import numpy as np
import pandas as pd

from benchmarks.measure import Run, program, run
from benchmarks.results import Figure, Line

PAIRS = 5
_ROWS = 2_000
_BOTH = ("register", "package")


def measure(work: Path) -> Line:
    """Every stage in turns with the last two alone; what four further ones cost, over four.

    What `mlops run` costs once (its start, the modules, DVC's own) is on both sides.
    """
    project = _project(work)
    run([program("mlops"), "run"], project)
    every, two = [], []
    for i in range(PAIRS):
        _new_table(project, i)
        every.append(run([program("mlops"), "run", "--json"], project))
        _new_gate(project, i)
        two.append(run([program("mlops"), "run", "--json"], project))
    stages = len(_works(every[0]))
    costs = [
        (_beyond(a) - _beyond(b)) / (stages - len(_BOTH)) for a, b in zip(every, two, strict=True)
    ]
    last = every[-1]
    return Line(
        title="A stage's cost beyond its work, in a warm run",
        figures=(Figure("time", statistics.median(costs), "s", target=0.3, pairs=PAIRS),),
        parts={
            "every stage": {
                **{f"{name}, s": seconds for name, seconds in _works(last).items()},
                "beyond their work, s": _beyond(last),
                "whole, s": last.wall,
            },
            "the last two": {
                **{f"{name}, s": s for name, s in _works(two[-1]).items() if name in _BOTH},
                "beyond their work, s": _beyond(two[-1]),
                "whole, s": two[-1].wall,
            },
        },
    )


def _project(work: Path) -> Path:
    project, data = work / "small", work / "small.parquet"
    shutil.rmtree(project, ignore_errors=True)
    _table(data, 0)
    run([program("mlops"), "init", str(project), "--data", str(data), "--target", "y"], work)
    config = project / "mlops.yaml"
    text = config.read_text(encoding="utf-8")
    text = re.sub(r"^(tune|register):.*\n(?: .*\n)*", "", text, flags=re.M)
    text += "tune: {trials: 2, rounds: 10}\nregister: {gates: [{metric: rmse, max: 1000}]}\n"
    config.write_text(text, encoding="utf-8")
    return project


def _table(file: Path, version: int) -> None:
    random = np.random.default_rng(version)
    columns = {name: random.normal(size=_ROWS) for name in "abc"}
    noise = random.normal(size=_ROWS)
    pd.DataFrame({**columns, "y": columns["a"] + noise}).to_parquet(file, index=False)


def _new_table(project: Path, i: int) -> None:
    _table(project / "data/raw/small.parquet", i + 1)


def _new_gate(project: Path, i: int) -> None:
    config = project / "mlops.yaml"
    text = re.sub(r"max: \d+", f"max: {1001 + i}", config.read_text(encoding="utf-8"))
    config.write_text(text, encoding="utf-8")


def _works(one: Run) -> dict[str, float]:
    """The seconds that each stage says it worked."""
    return {s["name"]: s["seconds"] or 0.0 for s in one.said["result"]["stages"]}


def _beyond(one: Run) -> float:
    return one.wall - sum(_works(one).values())
