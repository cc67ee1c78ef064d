"""The form of a CSV file, read from its head: what separates its fields, and its header.

The form is decided here, once, by the header, rather than guessed by an engine from whatever
reading fits best: a broken line must be an error that names it, and never another table.
"""

from __future__ import annotations

import csv
import gzip
import zlib
from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

from mlops_cli.errors import DataError

csv.field_size_limit(1 << 30)  # of a whole process; how long a line may be, the engine says
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
        readings = {d: list(csv.reader(head[blank:], delimiter=d)) for d in DELIMITERS}
    if blank == len(head):
        raise DataError(f"{path.name} is empty: it has no columns", hint="is it the right file?")
    best = max(DELIMITERS, key=lambda d: _fitness(readings[d]))
    return CsvForm(best, tuple(readings[best][0]), blank)


def broken_line(path: Path, form: CsvForm) -> str | None:
    """What the first line that is not of the header's form has, in words; None where all fit.

    Raises `DataError` for a file that is no text in UTF-8.
    """
    with _lines(path) as lines:
        reader = csv.reader(lines, delimiter=form.delimiter, strict=True)
        try:
            for record in reader:
                if record and len(record) != len(form.names):
                    found, wanted = len(record), len(form.names)
                    return f"line {reader.line_num} has {found} fields, and the header has {wanted}"
        except csv.Error as e:
            return f"line {reader.line_num}: {e}; a quote in a quoted field is written twice"
    with _lines(path) as lines:
        ends = _record_ends(lines)
        _, first = next(ends, (1, ""))
        other = next((n for n, end in ends if end and end != first), None)
    return f"line {other} ends otherwise than those above it (\\n, \\r\\n)" if other else None


def _record_ends(lines: Iterable[str]) -> Iterator[tuple[int, str]]:
    """The number and the end of each line that no quoted field goes on after."""
    quoted = False
    for number, line in enumerate(lines, 1):
        quoted ^= line.count('"') % 2 == 1
        if not quoted:
            yield number, line[len(line.rstrip("\r\n")) :]


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
        raise _no_text(path) from e
    except (csv.Error, gzip.BadGzipFile, EOFError, zlib.error) as e:
        raise DataError(f"{path.name}: {e}", hint="is the file whole, and of its form?") from e


def _no_text(path: Path) -> DataError:
    """What a file is that is no text in UTF-8, and where that shows."""
    opener = gzip.open if path.name.lower().endswith(".gz") else open
    with opener(path, "rb") as file:
        head = file.read(4)
        for begins, what, hint in _OTHERWISE:
            if head.startswith(begins):
                return DataError(f"{path.name} is {what}, whatever its name says", hint=hint)
        file.seek(0)
        line = next((n for n, line in enumerate(file, 1) if not _is_utf8(line)), 0)
    return DataError(
        f"{path.name} is not UTF-8: line {line} has bytes that are none",
        hint="convert it: iconv -f LATIN1 -t UTF-8 OLD > NEW",
    )


def _is_utf8(line: bytes) -> bool:
    try:
        line.decode()
    except UnicodeDecodeError:
        return False
    return True


_UTF_16 = "convert it: iconv -f UTF-16 -t UTF-8 OLD > NEW"
_OTHERWISE = (
    (b"\xff\xfe", "UTF-16", _UTF_16),
    (b"\xfe\xff", "UTF-16", _UTF_16),
    (b"PAR1", "a Parquet file", "name it .parquet"),
    (b"PK\x03\x04", "a ZIP archive, such as Excel writes", "save the table as CSV"),
    (b"\x1f\x8b", "gzipped", "name it .csv.gz"),
)
