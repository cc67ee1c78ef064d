"""The folder in which one search keeps its finished trials, and who may write there."""

from __future__ import annotations

import fcntl
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from mlops_cli.errors import EnvironmentFault


@contextmanager
def held(folder: Path) -> Iterator[Path]:
    """The journal's file in `folder`, held by this process alone until the block ends.

    The kernel lets go of it when the process dies, however it dies. A last line that a killed
    process left unfinished is cut off. Raises `EnvironmentFault` where another process holds it.
    """
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as e:
            raise EnvironmentFault(
                f"another process runs this search: it holds {folder / 'lock'}",
                hint="wait for it, or end it",
            ) from e
        journal = folder / "journal.log"
        _cut_unfinished_line(journal)
        yield journal


def _cut_unfinished_line(journal: Path) -> None:
    if not journal.exists():
        return
    content = journal.read_bytes()
    whole = content[: content.rfind(b"\n") + 1]
    if len(whole) < len(content):
        with journal.open("rb+") as f:
            f.truncate(len(whole))
