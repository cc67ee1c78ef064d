"""A table's file, found and written again: what the work tree and DVC's objects have in common."""

from __future__ import annotations

import shutil
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np

from mlops_cli._files import digest_of_files, replacing, sync
from mlops_cli.bundle.plan import ID
from mlops_cli.config.project import Project
from mlops_cli.errors import DataError
from mlops_cli.pipeline.dvc_data import md5_of
from mlops_cli.pipeline.erasure.base import Search
from mlops_cli.tables import open_engine
from mlops_cli.tables.base import ROW
from mlops_cli.tables.file_watch import parts_of
from mlops_cli.tables.without_rows import (
    Numbers,
    count_rows,
    drop_numbers,
    ending_of,
    is_value,
    names_of,
    numbers_of,
    record_values,
    touches,
    write_without,
)

TABLE, REJECTED, FEATURES = "table", "rejected", "features"
_MOST_VALUES = 1000


@contextmanager
def scratch(beside: Path) -> Iterator[Path]:
    """A folder for what is being written, beside what it replaces: it may be large."""
    beside.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory(dir=beside) as folder:
        yield Path(folder)


def rows_of(search: Search, file: Path) -> Numbers:
    """The numbers of the subject's rows in a table's file; what they hold is remembered.

    Raises `DataError` where the lines of a CSV file are not the rows that the engine reads.
    """
    column, value = search.subject.column, search.subject.value
    columns = [name for name in names_of(file) if name in (column, ID + column)]
    if not columns:
        return np.empty(0, np.int64)
    search.known = True
    with scratch(search.project.temporary) as folder:
        named = folder / f"table{ending_of(file)}"
        named.symlink_to(file.resolve())
        with open_engine(temporary=folder) as engine:
            numbers = numbers_of(engine, named, columns, value)
    rows = record_values(file, numbers)
    if not all(any(is_value(row.get(name), value) for name in columns) for row in rows):
        raise DataError(
            f"{file}: the rows of {column} are not where its lines are",
            hint="mlops validate tells which line is broken",
        )
    search.values += rows[: _MOST_VALUES - len(search.values)]
    return numbers


def parts_with(search: Search, path: Path) -> tuple[Numbers, list[tuple[Path, Numbers]]]:
    """The numbers of the subject's rows in a table, a file or a folder of parts.

    And each file that holds some, with their numbers in it. Raises `DataError` as `rows_of`.
    """
    parts = parts_of(path)
    if not parts:
        found = rows_of(search, path) if path.is_file() else np.empty(0, np.int64)
        return found, [(path, found)] if len(found) else []
    each = [(part, rows_of(search, part)) for part in parts]
    whole = in_whole([(count_rows(part), numbers) for part, numbers in each])
    return whole, [(part, numbers) for part, numbers in each if len(numbers)]


def in_whole(parts: Iterable[tuple[int, Numbers]]) -> Numbers:
    """Numbers of rows in a folder's table, of each part's rows and its own numbers, in order."""
    found, start = [np.empty(0, np.int64)], 0
    for rows, numbers in parts:
        found.append(numbers + start)
        start += rows
    return np.concatenate(found)


def rejected_task(file: Path, numbers: Mapping[str, Numbers]) -> tuple[int, dict[str, Any] | None]:
    """How many rejected rows go, and the task; None where nothing changes in the file."""
    gone, changes = 0, False
    for table, going in numbers.items():
        count, changed = touches(file, "row", going, f"table={table}")
        gone, changes = gone + count, changes or changed
    by_table = {table: going.tolist() for table, going in numbers.items()}
    return gone, {"kind": REJECTED, "numbers": by_table} if changes else None


def features_task(file: Path, numbers: Numbers) -> tuple[int, dict[str, Any] | None]:
    """How many rows of features go, and the task; None where nothing changes in the file."""
    gone, changes = touches(file, ROW, numbers, "")
    return gone, {"kind": FEATURES, "numbers": numbers.tolist()} if changes else None


def table_task(numbers: Numbers) -> dict[str, Any]:
    """The task of a table whose rows of these numbers go."""
    return {"kind": TABLE, "numbers": numbers.tolist()}


def written_without(file: Path, task: Mapping[str, Any], folder: Path) -> Path:
    """The file of a task written again, in `folder`."""
    made = folder / "new"
    if task["kind"] == TABLE:
        write_without(file, np.array(task["numbers"], np.int64), made)
    elif task["kind"] == FEATURES:
        drop_numbers(file, ROW, np.array(task["numbers"], np.int64), made, "")
    else:
        for i, (table, numbers) in enumerate(sorted(task["numbers"].items())):
            made = folder / f"new{i}"
            drop_numbers(file, "row", np.array(numbers, np.int64), made, f"table={table}")
            file = made
    return made


def data_digest(features: Path, plan: Path) -> str:
    """What names these features in a bundle's provenance."""
    return digest_of_files((features, plan))


def rewrite(project: Project, task: Mapping[str, Any]) -> None:
    """Replace the file of a task (`file`, with the `md5` that it was found with) at once.

    One that is not what it was found as has been done, or is new: it stays.
    """
    file = project.root / task["file"]
    if not file.is_file() or md5_of(file) != task["md5"]:
        return
    with scratch(project.temporary) as folder:
        made = written_without(file, task, folder)
        with replacing(file) as temporary:
            shutil.copyfile(made, temporary)
            sync(temporary)
