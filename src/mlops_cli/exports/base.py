"""What an export is: files by name, written so that nothing that a person changed is lost."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import msgspec

from mlops_cli._files import write_text
from mlops_cli._json import pretty_json
from mlops_cli.errors import UsageError

RECORD = ".mlops-export.json"  # what each file was when it was written


@dataclass(frozen=True, slots=True)
class Rendered:
    """The files of a system by name, and what of the configuration it cannot do or needs beside."""

    files: Mapping[str, str]
    remarks: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Exported:
    """The folder, the files that were written and those that stood there just so.

    `digests` are those of the files that were written, by name.
    """

    folder: str
    written: tuple[str, ...]
    unchanged: tuple[str, ...]
    digests: Mapping[str, str] = field(default_factory=dict)


def write_files(folder: Path, files: Mapping[str, str], *, force: bool = False) -> Exported:
    """Write the files to the folder, or none of them.

    Raises `UsageError` for a file that is there and was not written by an export, or was changed
    since: `force` takes its place.
    """
    if folder.exists() and not folder.is_dir():
        raise UsageError(f"{folder} is no folder", hint="name another one")
    known = _record(folder)
    there = {name: _digest_of(folder / name) for name in files}
    asked = {name: _digest(text) for name, text in files.items()}
    changed = [n for n, d in there.items() if d is not None and d not in (known.get(n), asked[n])]
    if changed and not force:
        raise UsageError(
            f"{folder / changed[0]} is there, and is not what an export wrote"
            + (f"; so are {len(changed) - 1} more" if len(changed) > 1 else ""),
            hint="name another folder, or let it be replaced: --force",
        )
    new = [name for name in files if there[name] != asked[name]]
    for name in new:
        write_text(folder / name, files[name])
    if known | asked != known:
        write_text(folder / RECORD, pretty_json(known | asked, sort_keys=True))
    same = tuple(name for name in files if name not in new)
    return Exported(str(folder), tuple(new), same, {name: asked[name] for name in new})


def _record(folder: Path) -> dict[str, Any]:
    try:
        found: dict[str, Any] = msgspec.json.decode((folder / RECORD).read_bytes(), type=dict)
    except (FileNotFoundError, msgspec.DecodeError):
        return {}
    return found


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def _digest_of(path: Path) -> str | None:
    try:
        return hashlib.sha256(path.read_bytes()).hexdigest()
    except FileNotFoundError:
        return None
