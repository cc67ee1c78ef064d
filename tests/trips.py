"""A table of trips, and a project that `init` makes of it."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet as pq

from mlops_cli.actions.init import InitResult, init

ROWS = 1200


def columns() -> dict[str, list[object]]:
    """Trips: the delay is known after landing, and so are the columns that hang on it."""
    delay = [None if i % 40 == 0 else (i * 37) % 60 - 20 for i in range(ROWS)]
    known = [d is not None for d in delay]
    return {
        "made": [f"2013-01-{1 + i // 48:02}T{i % 24:02}:00:00Z" for i in range(ROWS)],
        "number": list(range(ROWS)),
        "company": ["one", "two", "three"][:3] * (ROWS // 3),
        "distance": [100 + (i * 7) % 900 for i in range(ROWS)],
        "same": [1] * ROWS,
        "landed": [(i * 13) % 24 if k else None for i, k in enumerate(known)],
        "taxi": [float((i * 11) % 17) for i in range(ROWS)],
        "rest": [None if d is None else d - float((i * 11) % 17) for i, d in enumerate(delay)],
        "verdict": ["bad" if d is not None and d > 15 else "fine" for d in delay],
        "arr": delay,
    }


LATE = "late = arr > 15"
LEAKS = {"arr", "landed", "rest", "verdict"}


def trips(
    folder: Path, *, rename: bool = False, suffix: str = "parquet"
) -> tuple[Path, dict[str, str]]:
    names = {n: f"c{i}" if rename else n for i, n in enumerate(columns())}
    table = pa.table({names[n]: values for n, values in columns().items()})
    path = folder / f"trips.{suffix}"
    pq.write_table(table, path) if suffix == "parquet" else pa.csv.write_csv(table, path)
    return path, names


def made(folder: Path, data: Path, **options: object) -> InitResult:
    target = str(options.pop("target", LATE))
    return init(folder, data=data, target=target, **options)  # type: ignore[arg-type]  # options of init


def git(folder: Path, *command: str) -> str:
    return subprocess.run(
        ["git", *command], cwd=folder, capture_output=True, text=True, check=True
    ).stdout
