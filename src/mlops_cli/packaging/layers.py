"""Tar archives that are the same bytes for the same files, on every machine."""

from __future__ import annotations

import shutil
import tarfile
from pathlib import Path
from typing import IO

TIME = 315532800  # 1980-01-01 UTC, the first that a zip can hold
END = bytes(2 * tarfile.BLOCKSIZE)  # what ends an archive


def append_folder(folder: Path, archive: IO[bytes]) -> None:
    """Append the content of `folder` to `archive`, without the mark that ends an archive.

    Entries are sorted, owned by 0:0, with fixed times; files are 0644 and folders 0755, whatever
    a umask or a cache made of them. What was written so may follow one another; `END` is the end.
    """
    for path in sorted(folder.rglob("*")):
        entry = _entry(path, str(path.relative_to(folder)))
        archive.write(entry.tobuf(tarfile.PAX_FORMAT))
        if entry.isreg():
            with path.open("rb") as content:
                shutil.copyfileobj(content, archive, 1 << 20)
            archive.write(bytes(-entry.size % tarfile.BLOCKSIZE))


def _entry(path: Path, name: str) -> tarfile.TarInfo:
    entry = tarfile.TarInfo(name)
    entry.mtime = TIME
    if path.is_dir():
        entry.type, entry.mode = tarfile.DIRTYPE, 0o755
    else:
        entry.size, entry.mode = path.stat().st_size, 0o644
    return entry
