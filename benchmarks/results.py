"""What was measured, where and when: `benchmarks/results.json`."""

from __future__ import annotations

import importlib.metadata
import json
import os
import platform
import subprocess
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal

from benchmarks import LINES

RESULTS = Path(__file__).with_name("results.json")
_ROOT = RESULTS.parents[1]
_LIBRARIES = (
    "duckdb",
    "dvc",
    "evidently",
    "mlflow",
    "numpy",
    "optuna",
    "pandas",
    "pyarrow",
    "scikit-learn",
    "uvicorn",
    "xgboost-cpu",
)


@dataclass(frozen=True, slots=True)
class Figure:
    """One figure, and what it is to reach: at most or at least `target` (None: only told)."""

    what: str
    value: float
    unit: Literal["x", "s", "ms", "MB", ""]
    target: float | None = None
    at_least: bool = False
    pairs: int = 1

    @property
    def reached(self) -> bool | None:
        """Whether the figure is what it is to be."""
        if self.target is None:
            return None
        return self.value >= self.target if self.at_least else self.value <= self.target


@dataclass(frozen=True, slots=True)
class Line:
    """The figures of one benchmark; `parts` say where the seconds of either side go."""

    title: str
    figures: tuple[Figure, ...]
    parts: dict[str, dict[str, float]] = field(default_factory=dict)
    note: str = ""


def record(name: str, line: Line, load: float, took: float) -> None:
    """Put a line's figures in place of its former ones; those of another machine are dropped."""
    here = machine()
    known = json.loads(RESULTS.read_text()) if RESULTS.is_file() else {}
    lines = known.get("lines", {}) if known.get("machine") == here else {}
    lines[name] = {
        "title": line.title,
        "figures": [_figure(f) for f in line.figures],
        "parts": {k: {n: _round(v) for n, v in p.items()} for k, p in line.parts.items()},
        "note": line.note,
        "commit": commit(),
        "date": datetime.now(UTC).strftime("%Y-%m-%d %H:%M"),
        "load_before": round(load, 2),
        "seconds": round(took),
        "libraries": {n: importlib.metadata.version(n) for n in _LIBRARIES},
    }
    ordered = {name: lines[name] for name in LINES if name in lines}
    text = json.dumps({"machine": here, "lines": ordered}, indent=2)
    RESULTS.write_text(text + "\n", encoding="utf-8")


def machine() -> dict[str, Any]:
    """What the figures were measured on."""
    cpu = Path("/proc/cpuinfo").read_text(encoding="utf-8").split("model name")[1:2]
    return {
        "cpu": cpu[0].splitlines()[0].strip("\t :") if cpu else platform.machine(),
        "cores": len(os.sched_getaffinity(0)),
        "memory_gib": round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30, 1),
        "system": f"{platform.system()} {'.'.join(platform.release().split('.')[:2])}",
        "python": platform.python_version(),
    }


def commit() -> str:
    """The commit that is measured; with `+` where the work tree differs from it."""

    def git(*arguments: str) -> str:
        done = subprocess.run(["git", *arguments], cwd=_ROOT, capture_output=True, text=True)
        return done.stdout.strip()

    changed = git("status", "--porcelain", "--untracked-files=no", "--", "src", "benchmarks/*.py")
    return git("rev-parse", "--short=12", "HEAD") + ("+" if changed else "")


def _figure(figure: Figure) -> dict[str, Any]:
    return {**asdict(figure), "value": _round(figure.value), "reached": figure.reached}


def _round(value: float) -> float:
    return float(f"{value:.4g}")
