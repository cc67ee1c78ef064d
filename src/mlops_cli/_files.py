"""Write a file or a folder whole or not at all: a temporary name beside it, then a rename."""

from __future__ import annotations

import errno
import hashlib
import itertools
import os
import shutil
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

_NO_ROOM = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO)
_NUMBERS = itertools.count()  # threads of one process must not share a name


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """A temporary path beside `path`, renamed onto it when the block ends without an error."""
    with scratch_beside(path) as temporary, naming(path):
        yield temporary
        temporary.replace(path)


@contextmanager
def scratch_beside(path: Path) -> Iterator[Path]:
    """A temporary path beside `path` for a file that is gone when the block ends."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = temporary_beside(path)
    try:
        yield temporary
    finally:
        temporary.unlink(missing_ok=True)


@contextmanager
def naming(path: Path) -> Iterator[None]:
    """Let an error for want of room name `path`, where it names no file: a write knows of none."""
    try:
        yield
    except OSError as e:
        if e.errno in _NO_ROOM and e.filename is None:
            e.filename = str(path)
        raise


def nearest(folder: Path, name: str) -> Path | None:
    """The entry `name` of the folder, or of the first folder above it that has one."""
    return next((p / name for p in (folder, *folder.parents) if (p / name).exists()), None)


def sync(path: Path) -> None:
    """Have the disk keep what a file or a folder holds."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def write_text(path: Path, text: str) -> None:
    """Write UTF-8 text whole or not at all."""
    write_bytes(path, text.encode())


def write_bytes(path: Path, content: bytes) -> None:
    """Write a file whole or not at all."""
    with replacing(path) as temporary:
        temporary.write_bytes(content)


def write_secret(path: Path, content: bytes) -> None:
    """The same for what only its owner may read; a new folder is kept out of git."""
    if not path.parent.exists():
        path.parent.mkdir(mode=0o700, parents=True)
        write_text(path.parent / ".gitignore", "*\n")
    with replacing(path) as temporary:
        temporary.touch(mode=0o600)
        temporary.write_bytes(content)


@contextmanager
def replacing_folder(path: Path) -> Iterator[Path]:
    """An empty temporary folder beside `path`, moved to its place when the block ends well."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = temporary_beside(path)
    try:
        with naming(path):
            temporary.mkdir()
            yield temporary
            old = temporary.with_suffix(".old")
            if path.exists():
                path.replace(old)
            temporary.replace(path)
        shutil.rmtree(old, ignore_errors=True)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def temporary_beside(path: Path) -> Path:
    """A new name beside `path`; what killed processes left under such names is removed.

    Only processes of this machine are judged: a folder may be shared with others.
    """
    ours = f".{path.name}.{os.uname().nodename}-"
    for entry in path.parent.iterdir():
        rest = entry.name.removeprefix(ours)
        if rest != entry.name and not lives(rest.partition("-")[0]):
            _remove(entry)
    numbered = (f"{ours}{os.getpid()}-{number}.tmp{path.suffix}" for number in _NUMBERS)
    return next(new for name in numbered if not (new := path.with_name(name)).exists())


def _remove(entry: Path) -> None:
    # Another process may be at it, too, and it may be somebody else's: no write fails for that.
    with suppress(OSError):
        shutil.rmtree(entry, ignore_errors=True) if entry.is_dir() else entry.unlink()


def lives(process: str) -> bool:
    """Whether the process of this number on this machine lives; what is no number counts as one."""
    if not process.isdecimal():
        return True
    try:
        os.kill(int(process), 0)
    except ProcessLookupError:
        return False
    except PermissionError:  # somebody else's
        pass
    return True


def stamp_of(path: Path) -> tuple[int, int, int] | None:
    """Size, time of change (ns) and inode, by which a change is seen; None where there is none."""
    try:
        found = path.stat()
    except OSError:
        return None
    return (found.st_size, found.st_mtime_ns, found.st_ino)


def sha256_of(path: Path) -> str:
    """The sha256 of a file, in 64 hex digits, read in bounded memory."""
    with path.open("rb") as f:
        return hashlib.file_digest(f, "sha256").hexdigest()


def digest_of_files(files: Iterable[Path]) -> str:
    """What names the contents of several files, in their order (64 hex digits)."""
    return hashlib.sha256("".join(map(sha256_of, files)).encode()).hexdigest()
