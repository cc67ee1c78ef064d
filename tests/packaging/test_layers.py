"""Archives are the same bytes for the same files, whatever umask, time or order made them."""

from __future__ import annotations

import io
import os
import tarfile
from pathlib import Path

from mlops_cli.packaging.layers import END, TIME, append_folder

FILES = {"b/z.txt": b"z" * 700, "a.txt": b"", "b/ü" + "x" * 150: b"long", "c/d/e": bytes(512)}


def made(folder: Path, names: list[str], mode: int) -> bytes:
    for name in names:
        file = folder / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(FILES[name])
        file.chmod(mode)
        os.utime(file, (mode, mode))
    archive = io.BytesIO()
    append_folder(folder, archive)
    return archive.getvalue()


def test_the_same_files_are_the_same_bytes(tmp_path: Path) -> None:
    one = made(tmp_path / "one", [*FILES], 0o600)
    two = made(tmp_path / "two", [*FILES][::-1], 0o444)
    assert one == two


def test_archives_follow_one_another_and_hold_what_stood_there(tmp_path: Path) -> None:
    first = made(tmp_path / "first", ["b/z.txt", "a.txt"], 0o600)
    rest = made(tmp_path / "rest", [n for n in FILES if n not in ("b/z.txt", "a.txt")], 0o755)
    with tarfile.open(fileobj=io.BytesIO(first + rest + END)) as tar:
        entries = tar.getmembers()
        found = {e.name: tar.extractfile(e).read() for e in entries if e.isreg()}
    assert found == FILES
    assert {(e.mtime, e.uid, e.gid, e.uname) for e in entries} == {(TIME, 0, 0, "")}
    assert {e.mode for e in entries if e.isreg()} == {0o644}
    assert {e.mode for e in entries if e.isdir()} == {0o755}
