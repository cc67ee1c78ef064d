"""A table of a test's own, and what `init` reads from it."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Sequence
from pathlib import Path

from mlops_cli.scaffold.study import Study, study_file
from mlops_cli.tables import open_engine


def study(path: Path, target: str, **options: object) -> Study:
    with open_engine() as engine:
        return study_file(engine, path, **{"target": target, "time": None, **options})  # type: ignore[arg-type]  # options of study_file


def csv_of(folder: Path, names: Sequence[str], rows: Iterable[Sequence[object]]) -> Path:
    path = folder / "t.csv"
    with path.open("w", newline="") as file:
        csv.writer(file).writerows([names, *rows])
    return path
