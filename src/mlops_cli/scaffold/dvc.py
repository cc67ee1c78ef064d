"""Put a new project's data under DVC: the one module of the scaffold that knows it."""

from __future__ import annotations

import contextlib
import io
import os
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

from mlops_cli import _git
from mlops_cli.errors import EnvironmentFault
from mlops_cli.progress import silenced

os.environ.setdefault("DVC_NO_ANALYTICS", "1")  # read when DVC is imported

from dvc.exceptions import DvcException
from dvc.repo import Repo
from dvc.ui import ui


@contextlib.contextmanager
def dvc_of(top: Path | None) -> Iterator[list[Path]]:
    """Make the top of a git work tree a DVC repository (None: it is one); the files of it.

    What was made goes again where the block ends with an error.
    """
    made = start_dvc(top, git=True) if top else []
    try:
        yield made
    except BaseException:
        if top:
            shutil.rmtree(top / ".dvc")
            (top / ".dvcignore").unlink(missing_ok=True)
            _git.run(top, "rm", "--cached", "--quiet", "--ignore-unmatch", "--", *map(str, made))
        raise


def start_dvc(folder: Path, *, git: bool) -> list[Path]:
    """Make the folder, the top of a git work tree or without git, a DVC repository; its files."""
    with _quiet():
        repo = Repo.init(str(folder), no_scm=not git)
        with repo.config.edit("repo") as config:
            config["core"]["analytics"] = False
            # A hard link into the cache, written to in place, would change the version of before.
            config["cache"]["type"] = "reflink,copy"
        repo.close()
    return [folder / name for name in (".dvc/config", ".dvc/.gitignore", ".dvcignore")]


def add_data(folder: Path, table: str) -> None:
    """Put the file `table` under DVC, which writes `table`.dvc and an entry of .gitignore."""
    with _quiet(), contextlib.closing(Repo(str(folder))) as repo:
        repo.add([str(folder / table)])


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    if sys.stderr.isatty():
        ui.error_console.quiet = True  # where it turns a wheel while it looks at the graph
    try:
        with silenced("dvc", "dvc_data", "dvc_objects"), contextlib.redirect_stdout(io.StringIO()):
            yield
    except DvcException as e:
        raise EnvironmentFault(f"DVC: {str(e)[:300]}", hint="fix that first") from e
