"""The project's git and DVC: what `init` sets up, and its first commit."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

from mlops_cli import _git
from mlops_cli.errors import EnvironmentFault, UsageError

FIRST_SUBJECT = ": a new project"  # after the project's name
_FALLBACK = ("-c", "user.name=mlops", "-c", "user.email=mlops@localhost")


def path_in_git(directory: Path) -> str | None:
    """The path of a folder, which need not exist yet, inside a git work tree; None outside one.

    Raises `UsageError` where that work tree ignores the folder: nothing of it could be committed.
    """
    folder = directory.resolve()
    parent = next(p for p in folder.parents if p.is_dir())
    try:
        top = Path(_git.run(parent, "rev-parse", "--show-toplevel").strip()).resolve()
    except EnvironmentFault:
        return None
    path = folder.relative_to(top).as_posix()
    with suppress(EnvironmentFault):  # which says that it is not ignored
        _git.run(top, "check-ignore", "--quiet", "--", path)
        raise UsageError(
            f"{directory} is ignored by the git repository in {top}",
            hint="choose another folder, take it out of .gitignore, or use --no-git",
        )
    return path


def start_git(folder: Path) -> None:
    """Make a repository of the folder, branch main."""
    _git.run(folder, "init", "--quiet", "--initial-branch", "main")


def unstage(folder: Path) -> None:
    """Take what DVC staged of a temporary folder out of the index, before the folder moves."""
    _git.run(folder, "rm", "-r", "--cached", "--force", "--quiet", "--ignore-unmatch", "--", ".")


def first_commit(folder: Path, message: str) -> None:
    """Commit what the folder holds, if it is not; without an identity under one of our own."""
    _git.run(folder, "add", "--", ".")
    if not _git.run(folder, "status", "--porcelain", "--", "."):
        return
    who = [] if _has_identity(folder) else _FALLBACK
    # A new project's first commit is not the place for a passphrase prompt.
    _git.run(
        folder, *who, "-c", "commit.gpgsign=false", "commit", "--quiet", "-m", message, "--", "."
    )


def _has_identity(folder: Path) -> bool:
    try:
        _git.run(folder, "var", "GIT_COMMITTER_IDENT")
        _git.run(folder, "var", "GIT_AUTHOR_IDENT")
    except EnvironmentFault:
        return False
    return True
