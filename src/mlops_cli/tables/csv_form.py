"""The form of a CSV file, read from its head: what separates its fields, and its header.

The form is decided here, once, by the header, rather than guessed by an engine from whatever
reading fits best: a broken line must be an error that names it, and never another table.
"""

from __future__ import annotations

import csv
import gzip
import zlib
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

from mlops_cli.errors import DataError

DELIMITERS = (",", ";", "\t", "|")
_HEAD = 200  # records that the delimiter is judged by


@dataclass(frozen=True, slots=True)
class CsvForm:
    """What separates the fields, the header's names, and the blank lines above it."""

    delimiter: str
    names: tuple[str, ...]
    blank: int


def read_form(path: Path) -> CsvForm:
    """The form of the CSV file at `path` (gzipped, where its name ends in `.gz`).

    Of the delimiters that part the header the one is taken by which most of the next records have
    as many fields as it. Raises `DataError` for a file that is empty or no text in UTF-8.
    """
    with _lines(path) as lines:
        head = list(islice(lines, _HEAD))
    blank = next((i for i, line in enumerate(head) if line.strip()), len(head))
    if blank == len(head):
        raise DataError(f"{path.name} is empty: it has no columns", hint="is it the right file?")
    readings = {d: list(csv.reader(head[blank:], delimiter=d)) for d in DELIMITERS}
    best = max(DELIMITERS, key=lambda d: _fitness(readings[d]))
    return CsvForm(best, tuple(readings[best][0]), blank)


def broken_line(path: Path, form: CsvForm) -> str | None:
    """What the first line that is not of the header's form has, in words; None where all fit."""
    with _lines(path) as lines:
        reader = csv.reader(lines, delimiter=form.delimiter)
        for record in reader:
            if record and len(record) != len(form.names):
                found, wanted = len(record), len(form.names)
                return f"line {reader.line_num} has {found} fields, and the header has {wanted}"
    return None


def _fitness(records: list[list[str]]) -> tuple[bool, int, int]:
    fields = len(records[0])
    same = Counter(len(record) for record in records[1:])[fields]
    return fields > 1, same, fields


@contextmanager
def _lines(path: Path) -> Iterator[Iterator[str]]:
    opener = gzip.open if path.name.lower().endswith(".gz") else open
    try:
        with opener(path, "rt", encoding="utf-8-sig", newline="") as file:
            yield iter(file)
    except UnicodeDecodeError as e:
        raise DataError(
            f"{path.name} is not UTF-8", hint="convert it: iconv -f LATIN1 -t UTF-8 OLD > NEW"
        ) from e
    except (csv.Error, gzip.BadGzipFile, EOFError, zlib.error) as e:
        raise DataError(f"{path.name}: {e}", hint="is the file whole, and of its form?") from e
