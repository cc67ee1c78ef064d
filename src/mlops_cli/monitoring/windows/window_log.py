"""Reading and writing `monitoring/windows.jsonl`: it only grows, and a torn line is none."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from pathlib import Path

import msgspec

from mlops_cli._files import naming
from mlops_cli.config.paths import WINDOWS
from mlops_cli.monitoring.windows.records import Window

_decode = msgspec.json.Decoder(Window).decode
_encode = msgspec.json.Encoder().encode


def read_windows(root: Path) -> list[Window]:
    """The last verdict on each window, by their time; none where nothing was judged.

    Where the length of windows was changed, those of the latest length count. A line that cannot
    be read is left out: the last one is torn where a disk was full.
    """
    found: dict[datetime, Window] = {}
    latest = timedelta()
    for window in _lines(root / WINDOWS):
        found[window.start] = window
        latest = window.end - window.start
    return [w for _, w in sorted(found.items()) if w.end - w.start == latest]


def append_windows(root: Path, windows: Sequence[Window]) -> None:
    """Add verdicts; when it returns they are on disk."""
    if not windows:
        return
    file = root / WINDOWS
    file.parent.mkdir(parents=True, exist_ok=True)
    with naming(file), file.open("ab+") as out:
        if out.tell():
            out.seek(-1, os.SEEK_END)
            if out.read(1) != b"\n":  # torn: what follows must not join it
                out.write(b"\n")
        out.write(b"".join(_encode(w) + b"\n" for w in windows))
        out.flush()
        os.fsync(out.fileno())


def _lines(file: Path) -> Iterator[Window]:
    if not file.is_file():
        return
    with file.open("rb") as lines:
        for line in lines:
            try:
                yield _decode(line)
            except (msgspec.DecodeError, UnicodeDecodeError):
                continue
