"""Files must stay as they are while they are read: every scan must be of the same rows."""

from __future__ import annotations

from pathlib import Path

from mlops_cli.errors import DataError


class Sightings:
    """What files looked like when they were first read: size, time of change, and identity."""

    def __init__(self) -> None:
        self._seen: dict[Path, tuple[int, int, int]] = {}

    def note(self, path: Path) -> None:
        """Remember how the file looks, the first time."""
        if path not in self._seen:
            self._seen[path] = _look(path)

    def check(self) -> None:
        """Raise `DataError` naming a file that no longer looks as it did; no longer watch it."""
        seen, self._seen = self._seen, {}
        for path, then in seen.items():
            if _look(path) != then:
                raise DataError(
                    f"{path.name} changed while it was read",
                    hint="read it again when nobody writes to it, or a copy of it",
                )


def _look(path: Path) -> tuple[int, int, int]:
    try:
        found = path.stat()
    except FileNotFoundError:
        return (-1, 0, 0)
    return (found.st_size, found.st_mtime_ns, found.st_ino)
