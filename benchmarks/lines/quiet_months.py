"""Alarms in a thousand quiet months: simulated, a profile for every six of them."""

from __future__ import annotations

import hashlib
import inspect
import json
import time
from pathlib import Path

import numpy as np

import mlops_cli.bundle.profile
import mlops_cli.monitoring.counts
import mlops_cli.monitoring.drift
from benchmarks import quiet
from benchmarks.results import Figure, Line

MONTHS, OF_A_PROFILE = 1_000, 6
CHUNKS = -(-MONTHS // OF_A_PROFILE)
Chunk = tuple[list[int], float]


def measure(work: Path) -> Line:
    """The months of each kind in turns; what is in `work`, of the same code, is not run again."""
    file = work / f"quiet_months-{_code()}.jsonl"
    done = _done(file)
    for i in range(CHUNKS):
        for place, (name, kind) in enumerate(quiet.KINDS.items()):
            if (name, i) in done:
                continue
            began = time.process_time()
            alarms = kind.months(np.random.default_rng([place, i]), OF_A_PROFILE)
            done[name, i] = alarms, time.process_time() - began
            with file.open("a", encoding="utf-8") as out:
                out.write(json.dumps([name, i, *done[name, i]]) + "\n")
    chunks = {n: [done[n, i] for i in range(CHUNKS)] for n in quiet.KINDS}
    return Line(
        title="`monitor`: a quiet month of daily windows, 20 columns, 3 segments",
        figures=tuple(_figure(name, of) for name, of in chunks.items()),
        parts={name: _parts(of) for name, of in chunks.items()},
        note=f"Drift of all rows and of each segment under a budget of {quiet.BUDGET:g} alarm a "
        f"month, {CHUNKS * OF_A_PROFILE:,} months of each kind, 600 rows a day (in groups: 4,000 "
        "of 100 subjects, correlation 0.3 within; day effects: a tenth of the variance), with a "
        f"profile of its own for every {OF_A_PROFILE} months, which count as one in the standard "
        "error. To reach is the budget and two standard errors. `benchmarks/quiet.py`, the same "
        "that `tests/monitoring/test_quiet_months.py` runs fewer months of.",
    )


def _figure(name: str, chunks: list[Chunk]) -> Figure:
    mean, error = quiet.mean_and_error([alarms for alarms, _ in chunks])
    return Figure(f"mean alarms, {name}", mean, "", target=quiet.BUDGET + 2 * error)


def _parts(chunks: list[Chunk]) -> dict[str, float]:
    alarms = np.concatenate([alarms for alarms, _ in chunks])
    return {
        "months": len(alarms),
        "standard error": quiet.mean_and_error([alarms for alarms, _ in chunks])[1],
        "months with an alarm": int((alarms > 0).sum()),
        "most alarms in a month": int(alarms.max()),
        "processor time a month, s": sum(seconds for _, seconds in chunks) / len(alarms),
    }


def _done(file: Path) -> dict[tuple[str, int], Chunk]:
    lines = file.read_text(encoding="utf-8").splitlines() if file.is_file() else []
    return {(n, i): (alarms, seconds) for n, i, alarms, seconds in map(json.loads, lines)}


def _code() -> str:
    """A digest of what is run: the months of other code say nothing of this one's."""
    folders = (mlops_cli.monitoring.counts, mlops_cli.monitoring.drift)
    files = [file for module in folders for file in sorted(Path(*module.__path__).glob("*.py"))]
    single = [Path(inspect.getfile(module)) for module in (mlops_cli.bundle.profile, quiet)]
    return hashlib.sha256(b"".join(f.read_bytes() for f in (*files, *single))).hexdigest()[:12]
