"""Where a new project is put: whole, or not at all."""

from __future__ import annotations

import filecmp
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from mlops_cli._files import temporary_beside
from mlops_cli.config.paths import CONFIG, DVC_LOCK
from mlops_cli.errors import EnvironmentFault, UsageError

_OWN = (".git/", ".dvc/tmp/", ".dvc/cache/")  # what git and DVC keep for themselves


def joins(directory: Path) -> bool:
    """Whether a project is asked for beside what stands in a folder: the one that one stands in.

    False for an empty folder, and for what a killed init may have left. Raises `UsageError` for a
    folder that holds a project, or is in use and was only named.
    """
    names = {entry.name for entry in directory.iterdir()} if directory.is_dir() else set()
    begun = ".dvc" in names and DVC_LOCK not in names  # moved first; the first run writes a lock
    here = directory.is_dir() and directory.samefile(Path.cwd())
    left = begun and (CONFIG in names or not here or names <= {".dvc", ".dvcignore"})
    if directory.is_file() or (names and not left and (CONFIG in names or not here)):
        raise _taken(directory)
    return bool(names) and not left


@contextmanager
def new_folder(directory: Path) -> Iterator[Path]:
    """A temporary folder that becomes `directory` when the block ends without an error.

    Raises `UsageError` where `directory` holds something that the block did not make just so.
    """
    place = directory.resolve()  # `.` has no name of its own
    try:
        place.parent.mkdir(parents=True, exist_ok=True)
        temporary = temporary_beside(place)
        temporary.mkdir()
    except OSError as e:
        raise EnvironmentFault(
            f"cannot make {directory}: {e.strerror}", hint="choose another place"
        ) from e
    try:
        yield temporary
        if not _is_part(directory, temporary):
            raise _taken(directory)
        _move(temporary, directory)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def _is_part(directory: Path, made: Path) -> bool:
    """Whether every file below `directory` stands in `made`, too, with the same content."""
    found = (path.relative_to(directory) for path in directory.rglob("*") if path.is_file())
    files = [name for name in found if not name.as_posix().startswith(_OWN)]
    _, *different = filecmp.cmpfiles(directory, made, files, shallow=False)
    return not any(different)


def _move(made: Path, directory: Path) -> None:
    if not directory.exists():
        made.rename(directory)
        return
    # Somebody may stand in the folder: what is made moves into it.
    for entry in sorted(made.iterdir()):
        if not (directory / entry.name).exists():
            entry.rename(directory / entry.name)


def _taken(directory: Path) -> UsageError:
    if (directory / CONFIG).is_file():
        return UsageError(
            f"{directory} is a project already",
            hint=f"cd {directory} && mlops run; mlops init --update for a newer template's files",
        )
    beside = f"name a new folder; or add a project to what is there: cd {directory} && mlops init ."
    return UsageError(
        f"{directory} exists and is not empty",
        hint=beside,
    )
