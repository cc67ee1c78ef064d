"""`.mlops/`, which may be deleted at any time: whatever holds the subject there goes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from mlops_cli.config.paths import CACHE
from mlops_cli.config.project import Project
from mlops_cli.pipeline.erasure.base import Found, Place, Search

# Rows of tables without the column that names whom they are of, or of nobody knows what.
_ROWS = ("golden", "tmp", "exercise", "online")
_KEPT = ("erase", "bundles", "tracking")
_SHORTEST = 4  # bytes of a value that is looked for in any text: 7 stands everywhere
_CHUNK = 1 << 20


class Caches:
    """Files are deleted, and made again when they are needed."""

    def names(self, project: Project) -> list[str]:
        """See `Place.names`."""
        return [CACHE]

    def find(self, search: Search) -> list[Found]:
        """See `Place.find`."""
        needle = search.subject.value.strip().encode()
        return [
            Found(CACHE, 0, {"file": file.relative_to(search.project.cache).as_posix()})
            for file in _files(search.project.cache)
            if _top(search.project.cache, file) in _ROWS
            or (len(needle) >= _SHORTEST and holds(file, needle))
        ]

    def erase(self, project: Project, task: Mapping[str, Any]) -> None:
        """See `Place.erase`."""
        (project.cache / task["file"]).unlink(missing_ok=True)


def open_place() -> Place:
    """The place."""
    return Caches()


def holds(file: Path, needle: bytes) -> bool:
    """Whether the file holds these bytes; in bounded memory."""
    before = b""
    try:
        with file.open("rb") as content:
            while chunk := content.read(_CHUNK):
                if needle in before + chunk:
                    return True
                before = chunk[-len(needle) :]
    except OSError:
        return False
    return False


def _files(cache: Path) -> Iterator[Path]:
    for file in sorted(cache.rglob("*")):
        kept = file.suffix in (".lock", ".open") or _top(cache, file) in _KEPT
        if not kept and file.is_file() and not file.is_symlink():
            yield file


def _top(cache: Path, file: Path) -> str:
    return file.relative_to(cache).parts[0]
