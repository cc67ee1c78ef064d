"""Segments of a log on disk: each is written by one process, closed by a rename, and bounded.

`KIND-TIME-TOKEN-NUMBER.open` is being written, by who holds its lock; `.ndjson` is closed and never
changes. The kernel lets go of the lock when the writer dies, however it dies: whoever finds an
open segment without an owner closes it.
"""

from __future__ import annotations

import os
import re
import secrets
import time
from collections.abc import Iterator
from contextlib import suppress
from datetime import UTC, date, datetime
from pathlib import Path

from mlops_cli._locks import take
from mlops_cli._poll import wait_until

OPEN, CLOSED = ".open", ".ndjson"
PREDICTIONS, LABELS = "predictions", "labels"
ROTATE = "rotate"  # a file whose touch asks every writer to close what it has open
_NAME = re.compile(r"(predictions|labels)-(\d{8})T\d{6}Z-[0-9a-f]{12}-\d{6,}")
_READ = 1 << 20
_REACHES_DISK = 0.5  # seconds: lines wait for others for less
_CLOSING = 5.0  # seconds: a writer looks once in one


class Segment:
    """An open segment of this process; `size` is in bytes."""

    def __init__(self, folder: Path, stem: str) -> None:
        """Begin one; raises `OSError`, also where another process took it for one left behind."""
        self._path = folder / f"{stem}{OPEN}"
        self._file = os.open(self._path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o640)
        self.size = 0
        try:
            if not take(self._file) or not _is_at(self._path, self._file):
                raise BlockingIOError(f"{self._path} was taken by another process")
        except OSError:
            os.close(self._file)
            raise

    def write(self, lines: bytes) -> None:
        """Append whole lines, all of them or none; raises `OSError`."""
        rest = memoryview(lines)
        try:
            while rest:
                rest = rest[os.write(self._file, rest) :]
        except OSError:
            os.ftruncate(self._file, self.size)
            os.lseek(self._file, self.size, os.SEEK_SET)
            raise
        self.size += len(lines)

    def sync(self) -> None:
        """Have the disk keep what was written."""
        os.fdatasync(self._file) if hasattr(os, "fdatasync") else os.fsync(self._file)

    def close(self) -> None:
        """Close it for good; what holds no line leaves no file."""
        try:
            with suppress(OSError):
                self.sync()
            _end(self._path, self.size)
        finally:
            os.close(self._file)


def new_stem(kind: str, token: str, number: int) -> str:
    """A name that no other segment has, on any machine; names sort by time."""
    return f"{kind}-{datetime.now(UTC):%Y%m%dT%H%M%SZ}-{token}-{number:06d}"


def new_token() -> str:
    """What tells the segments of one process from those of all others."""
    return secrets.token_hex(6)


def kind_of(name: str) -> str | None:
    """`predictions` or `labels`, by the name of a segment of ours; None of another file."""
    match = _NAME.match(name)
    return match[1] if match else None


def day_of(name: str) -> date | None:
    """The day (UTC) on which a segment of ours was begun; None of another file."""
    match = _NAME.match(name)
    with suppress(ValueError):
        return date.fromisoformat(match[2]) if match else None
    return None


def closed(folder: Path) -> list[Path]:
    """The closed segments of a folder, the oldest first; none where there is no folder."""
    found = [path for path in _files(folder, CLOSED) if kind_of(path.name)]
    return sorted(found, key=lambda path: path.name.split("-", 1)[1])


def close_left(folder: Path) -> list[Path]:
    """Close what dead processes left open, each without the line that it was writing."""
    return [path for left in _files(folder, OPEN) if (path := _close_left(left))]


def _close_left(path: Path) -> Path | None:
    with suppress(OSError), path.open("r+b") as file:
        if take(file.fileno()) and _is_at(path, file.fileno()):
            size = _whole(file.fileno())
            file.truncate(size)
            return _end(path, size)
    return None


def remove_beyond(folder: Path, most: int) -> int:
    """Remove the oldest closed segments until all together have at most `most` bytes.

    Returns the number of their lines.
    """
    sizes = {path: size for path in _files(folder, OPEN, CLOSED) if (size := _size(path))}
    total, lines = sum(sizes.values()), 0
    for path in closed(folder):
        if total <= most:
            break
        with suppress(OSError):
            count = count_lines(path)
            path.unlink()
            lines += count
        total -= sizes.get(path, 0)
    return lines


def count_lines(path: Path) -> int:
    """The lines of a file."""
    with path.open("rb") as file:
        return sum(chunk.count(b"\n") for chunk in iter(lambda: file.read(_READ), b""))


def close_all(folder: Path) -> None:
    """Have every writer close what it has open, and wait for it a little while.

    What was answered just now may not have reached the disk: it has the time to.
    """
    if not folder.is_dir():
        return
    time.sleep(_REACHES_DISK)
    still = [*_files(folder, OPEN)]
    if still:
        (folder / ROTATE).touch()
        wait_until(lambda: not any(path.exists() for path in still), seconds=_CLOSING, step=0.05)


def asked_to_rotate(folder: Path) -> float:
    """When every writer was asked to close what it has open; 0 where nobody did."""
    try:
        return (folder / ROTATE).stat().st_mtime
    except OSError:
        return 0.0


def _files(folder: Path, *suffixes: str) -> Iterator[Path]:
    with suppress(OSError):
        yield from (path for path in folder.iterdir() if path.suffix in suffixes)


def _end(path: Path, size: int) -> Path | None:
    if not size:
        path.unlink(missing_ok=True)
        return None
    return path.replace(path.with_suffix(CLOSED))


def _is_at(path: Path, file: int) -> bool:
    """Whether the open file still has that name."""
    try:
        return os.path.samestat(path.stat(), os.fstat(file))
    except FileNotFoundError:
        return False


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError:
        return 0


def _whole(file: int) -> int:
    """The size without what follows the last line's end."""
    size = os.fstat(file).st_size
    end = size
    while end:
        start = max(0, end - _READ)
        at = os.pread(file, end - start, start).rfind(b"\n")
        if at >= 0:
            return start + at + 1
        end = start
    return 0
