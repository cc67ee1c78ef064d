"""With which labels each window was looked at last, kept from one run of monitor to the next."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from datetime import datetime
from pathlib import Path

import msgspec

from mlops_cli._files import write_bytes
from mlops_cli.monitoring.collected.traffic import digest_of

_FILE = "monitor.json"  # in the project's cache: may be lost, which costs time alone


class _Kept(msgspec.Struct):
    """`windows` has by a window's start under which name of `seen` the files are that it knows."""

    windows: dict[str, str] = {}
    seen: dict[str, list[str]] = {}


class LookedAt:
    """Remembers of each window the files of labels that it was looked at with.

    `files` are all that are there now, each by its mark (`Traffic.label_files`). A file that is
    gone changes nothing: what is kept no longer says nothing against what was found with it.
    """

    def __init__(self, files: Mapping[str, Path], cache: Path | None = None) -> None:
        self._files = files
        self._cache = cache
        self._kept = _Kept()
        self._now = digest_of(*files)
        if cache is not None:
            with suppress(OSError, msgspec.DecodeError):
                self._kept = msgspec.json.decode((cache / _FILE).read_bytes(), type=_Kept)

    def new_files(self, start: datetime) -> list[Path] | None:
        """The files whose labels the window was not looked at with; None where nobody knows."""
        known = self._kept.seen.get(self._kept.windows.get(start.isoformat(), ""))
        if known is None:
            return None
        return [file for mark, file in self._files.items() if mark not in set(known)]

    def note(self, start: datetime) -> None:
        """The window was looked at with all files that are there."""
        self._kept.windows[start.isoformat()] = self._now
        self._kept.seen[self._now] = list(self._files)

    def keep(self) -> None:
        """Write it down for the next run."""
        if self._cache is None:
            return
        used = set(self._kept.windows.values())
        self._kept.seen = {name: marks for name, marks in self._kept.seen.items() if name in used}
        write_bytes(self._cache / _FILE, msgspec.json.encode(self._kept))
