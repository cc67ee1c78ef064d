"""Files must stay as they are while they are read: every scan must be of the same rows."""

from __future__ import annotations

from pathlib import Path

from mlops_cli._files import stamp_of
from mlops_cli.errors import DataError


def parts_of(path: Path) -> list[Path]:
    """The parts of a table that is a folder of Parquet files, in their order; none of a file."""
    return sorted(path.glob("*.parquet")) if path.is_dir() else []


class FileWatch:
    """What files looked like when they were first read: size, time of change, and identity."""

    def __init__(self) -> None:
        self._seen: dict[Path, tuple[int, int, int] | None] = {}

    def note(self, path: Path) -> None:
        """Remember how the file looks, the first time."""
        if path not in self._seen:
            self._seen[path] = stamp_of(path)
            for part in parts_of(path):
                self._seen[part] = stamp_of(part)

    def check(self) -> None:
        """Raise `DataError` naming a file that no longer looks as it did; no longer watch it."""
        seen, self._seen = self._seen, {}
        for path, noted in seen.items():
            if stamp_of(path) != noted:
                raise DataError(
                    f"{path.name} changed while it was read",
                    hint="read it again when nobody writes to it, or a copy of it",
                )
