"""Where a new project is put: whole, or not at all."""

from __future__ import annotations

import filecmp
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from mlops_cli._files import temporary_beside
from mlops_cli.config.paths import CONFIG
from mlops_cli.errors import EnvironmentFault, UsageError

_OWN = (".git/", ".dvc/tmp/", ".dvc/cache/")  # what git and DVC keep for themselves


def check_free(directory: Path) -> None:
    """Raise `UsageError` for a folder that holds anything but what a killed init may have left."""
    names = {entry.name for entry in directory.iterdir()} if directory.is_dir() else set()
    ours = ".dvc" in names and "dvc.lock" not in names  # moved first; the first run writes a lock
    if directory.is_file() or (names and not ours):
        raise _taken(directory)


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
    project = (directory / CONFIG).is_file()
    return UsageError(
        f"{directory} exists and is not empty",
        hint=f"it is a project: cd {directory} && mlops run" if project else "name a new folder",
    )
