"""What was read of the registry before, kept in `.mlops/`: most commands need no more than that."""

from __future__ import annotations

import shutil
from pathlib import Path

import msgspec

from mlops_cli._files import replacing, replacing_folder, stamp_of
from mlops_cli.bundle.manifest import short
from mlops_cli.bundle.reader import Bundle, open_bundle
from mlops_cli.config.paths import CACHE
from mlops_cli.errors import BundleError
from mlops_cli.tracking.base import ModelVersion

_COUNTER = slice(24, 28)  # the "file change counter" of SQLite's file format, section 1.3.7
_HEADER = 100


class _Kept(msgspec.Struct, frozen=True):
    state: str
    version: ModelVersion | None


def bundle_folder(root: Path, digest: str) -> Path:
    """Where a fetched bundle is kept."""
    return root / CACHE / "bundles" / short(digest)


def holds(path: Path, digest: str) -> bool:
    """Whether the folder holds the whole bundle of that digest."""
    try:
        return path.is_dir() and open_bundle(path).digest == digest
    except BundleError:
        return False


def keep_bundle(root: Path, bundle: Bundle) -> None:
    """Keep a copy of the bundle where a fetched one would be."""
    folder = bundle_folder(root, bundle.digest)
    if bundle.path != folder:
        with replacing_folder(folder) as temporary:
            shutil.copytree(bundle.path, temporary, dirs_exist_ok=True)


def state_of(database: Path) -> str | None:
    """A text that changes with every transaction on a SQLite file; None where that is not sure."""
    try:
        with database.open("rb") as file:
            header = file.read(_HEADER)
    except OSError:
        return None
    if any(database.with_name(f"{database.name}-{end}").exists() for end in ("wal", "journal")):
        return None
    counter = header[_COUNTER].hex()
    return f"{database} {stamp_of(database)} {counter}"


def kept_alias(file: Path, state: str | None) -> tuple[bool, ModelVersion | None]:
    """Whether it is known whom an alias names at that state of the database, and whom."""
    try:
        kept = msgspec.json.decode(file.read_bytes(), type=_Kept)
    except (OSError, msgspec.DecodeError):
        return False, None
    return (True, kept.version) if state is not None and kept.state == state else (False, None)


def keep_alias(file: Path, state: str, version: ModelVersion | None) -> None:
    """Keep whom an alias names at that state; a folder that cannot be written is no fault."""
    try:
        with replacing(file) as temporary:
            temporary.write_bytes(msgspec.json.encode(_Kept(state, version)))
    except OSError:
        return


def alias_file(root: Path, model: str, alias: str) -> Path:
    """Where it is kept whom the alias of a model names."""
    return root / CACHE / "aliases" / f"{model}.{alias}.json"
