"""`python -m benchmarks [LINE...]`: measure, record, and make the page."""

from __future__ import annotations

import argparse
import importlib
import os
import sys
import time
from pathlib import Path

import platformdirs

from benchmarks import LINES, report
from benchmarks.measure import Failed
from benchmarks.results import RESULTS, record


def main() -> int:
    """Measure the lines that are asked for, all by default; the exit code counts no shortfall."""
    parser = argparse.ArgumentParser(prog="benchmarks", description=__doc__)
    parser.add_argument("lines", nargs="*", metavar="LINE", help=f"of {', '.join(LINES)}")
    # Outside of this repository: a project below a folder that git ignores cannot be made.
    cache = platformdirs.user_cache_path("mlops-cli-benchmarks")
    parser.add_argument("--work", type=Path, default=cache, help="folder of the inputs")
    asked = parser.parse_args()
    if unknown := [name for name in asked.lines if name not in LINES]:
        parser.error(f"no line {unknown[0]!r}; there are {', '.join(LINES)}")
    work = asked.work.resolve()
    work.mkdir(parents=True, exist_ok=True)
    failed = [name for name in asked.lines or LINES if not _measure(name, work)]
    report.write()
    print(f"written: {RESULTS.relative_to(Path.cwd())}, {report.PAGE.relative_to(Path.cwd())}")
    return 1 if failed else 0


def _measure(name: str, work: Path) -> bool:
    load, started = os.getloadavg()[0], time.perf_counter()
    try:
        line = importlib.import_module(f"benchmarks.lines.{name}").measure(work)
    except Failed as e:
        print(f"{name}: not measured: {e}", file=sys.stderr)
        return False
    record(name, line, load, time.perf_counter() - started)
    for figure in line.figures:
        said = {None: "", True: "  reached", False: "  NOT REACHED"}[figure.reached]
        print(f"{name}: {figure.what}: {figure.value:.4g} {figure.unit}{said}", flush=True)
    return True


if __name__ == "__main__":
    sys.exit(main())
