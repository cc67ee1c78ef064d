"""What an engine complains of when it reads a file, as errors that name the file and its fault."""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path

from mlops_cli.errors import DataError, EnvironmentFault, MlopsError
from mlops_cli.tables.csv_form import broken_line, read_form

_MAGIC = b"PAR1"  # a Parquet file begins and ends with it
_HINT = "is the file whole, UTF-8 and of the form its ending says?"
_ROOM = "make room, or run where the project may be written"
_MEMORY = (
    "give validate, featurize, score and drift more by engine.memory in mlops.yaml, or name a "
    "cluster by engine.spark"
)
_OF_THE_MACHINE = r"no space left|permission denied|read-only|file too large"


def reading_fault(complaint: str, files: Iterable[Path]) -> MlopsError:
    """The typed error for a complaint; `files` are those that the query read.

    `EnvironmentFault` for what the machine lacks, else `DataError` naming the file and, where it
    can be found, the line.
    """
    said = " ".join(complaint.split())[:300]
    named = re.search(r'^ *file = (.+)$|sniffing file "(.+)"', complaint, re.M)
    if named:
        path = Path(named[1] or named[2])
        return _csv_fault(path) or DataError(f"{path.name}: {_first_words(complaint)}", hint=_HINT)
    if "Out of Memory Error" in said:
        given = re.search(r"\([^()]*/([\d.]+ \w+) used\)", said)
        share = f", of which DuckDB was given {given[1]}" if given else ""
        return EnvironmentFault(f"out of memory{share}", hint=_MEMORY)
    without_paths = re.sub(r'/[^"\\]*', "", said)  # a folder may be called read-only
    if lacks := re.search(_OF_THE_MACHINE, without_paths, re.I):
        return EnvironmentFault(f"{lacks[0].lower()}{_named_file(said)}", hint=_ROOM)
    for path in files:
        if path.is_file() and (fault := _parquet_fault(path)):
            return DataError(fault, hint="write or fetch it again, whole")
    where = ", ".join(path.name for path in files)
    return DataError(f"{where}: {said}" if where else said, hint=_HINT)


def _named_file(said: str) -> str:
    named = re.search(r'file \\?"([^"\\]+)', said)
    return f": {named[1]}" if named else ""


def _csv_fault(path: Path) -> DataError | None:
    try:
        line = broken_line(path, read_form(path))
    except DataError as e:
        return e
    except OSError:
        return None
    return DataError(f"{path.name}: {line}", hint=_HINT) if line else None


def _parquet_fault(path: Path) -> str | None:
    if not path.name.lower().endswith((".parquet", ".pq")):
        return None
    with path.open("rb") as file:
        begins = file.read(len(_MAGIC))
        file.seek(-min(len(_MAGIC), path.stat().st_size), 2)
        ends = file.read()
    if not begins:
        return f"{path.name} is empty: it has no columns"
    if begins != _MAGIC:
        return f"{path.name} is no Parquet file, whatever its name says: it begins otherwise"
    if ends != _MAGIC:
        return f"{path.name} is cut off: the end of a Parquet file is missing"
    return None


def _first_words(complaint: str) -> str:
    """DuckDB's complaint about a CSV file, without its advice on how to overlook the fault."""
    said = re.split(r"Possible (?:fixes|Solution)|The search space", complaint)[0]
    return " ".join(said.removeprefix("Invalid Input Error: ").split())[:300]
