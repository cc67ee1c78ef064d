"""The project's git and DVC: what `init` sets up, and its first commit."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from mlops_cli import _git
from mlops_cli.errors import EnvironmentFault, UsageError

FIRST_SUBJECT = ": a new project"  # after the project's name
_FALLBACK = ("-c", "user.name=mlops", "-c", "user.email=mlops@localhost")


@dataclass(frozen=True, slots=True)
class Repository:
    """A git work tree, by its top folder, and the `path` of a project in it (`.`: the top)."""

    top: Path
    path: str

    @property
    def dvc(self) -> Path | None:
        """The DVC repository that covers the project: a folder with `.dvc`, up to the top."""
        folder = self.top / self.path
        within = [p for p in (folder, *folder.parents) if p.is_relative_to(self.top)]
        return next((p for p in within if (p / ".dvc").is_dir()), None)


def repository_of(directory: Path, *, inclusive: bool) -> Repository | None:
    """The work tree that a folder, which need not exist yet, stands in; None outside of any.

    `inclusive`: or is the top of. Raises `UsageError` where that work tree ignores the folder:
    nothing of it could be committed.
    """
    folder = directory.resolve()
    around = (folder, *folder.parents) if inclusive else folder.parents
    parent = next(p for p in around if p.is_dir())
    try:
        top = Path(_git.run(parent, "rev-parse", "--show-toplevel").strip()).resolve()
    except EnvironmentFault:
        return None
    path = folder.relative_to(top).as_posix()
    if path == ".":
        return Repository(top, path)
    with suppress(EnvironmentFault):  # which says that it is not ignored
        _git.run(top, "check-ignore", "--quiet", "--", path)
        raise UsageError(
            f"{directory} is ignored by the git repository in {top}",
            hint="choose another folder, take it out of .gitignore, or use --no-git",
        )
    return Repository(top, path)


def ignored(folder: Path, paths: Sequence[str]) -> dict[str, str]:
    """Those of `paths` that git would ignore in the folder, each with the rule that says so."""
    try:
        said = _git.run(folder, "check-ignore", "--verbose", "--", *paths)
    except EnvironmentFault:  # there is none
        return {}
    return {path: rule for rule, _, path in (line.partition("\t") for line in said.splitlines())}


def start_git(folder: Path) -> None:
    """Make a repository of the folder, branch main."""
    _git.run(folder, "init", "--quiet", "--initial-branch", "main")


def unstage(folder: Path) -> None:
    """Take what DVC staged of a temporary folder out of the index, before the folder moves."""
    _git.run(folder, "rm", "-r", "--cached", "--force", "--quiet", "--ignore-unmatch", "--", ".")


def first_commit(folder: Path, message: str, *more: Path) -> None:
    """Commit what the folder holds, and `more`; without an identity under one of our own."""
    paths = (".", *map(str, more))
    _git.run(folder, "add", "--", *paths)
    if not _git.run(folder, "status", "--porcelain", "--", *paths):
        return
    who = [] if _has_identity(folder) else _FALLBACK
    # A new project's first commit is not the place for a passphrase prompt.
    _git.run(
        folder, *who, "-c", "commit.gpgsign=false", "commit", "--quiet", "-m", message, "--", *paths
    )


def _has_identity(folder: Path) -> bool:
    try:
        _git.run(folder, "var", "GIT_COMMITTER_IDENT")
        _git.run(folder, "var", "GIT_AUTHOR_IDENT")
    except EnvironmentFault:
        return False
    return True
