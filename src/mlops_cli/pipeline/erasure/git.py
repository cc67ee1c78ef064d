"""Git's history, which nothing here rewrites: what of it names the subject is told."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from mlops_cli import _git
from mlops_cli.config.project import Project
from mlops_cli.pipeline.erasure.base import Found, Place, Search

_SHORTEST = 4  # characters of a value that is looked for in any text
_SHOWN = 3
_REWRITE = "git filter-repo --replace-text takes it out; every clone has it"


class GitHistory:
    """Commits that hold the value as text."""

    def names(self, project: Project) -> list[str]:
        """See `Place.names`."""
        return ["git's history, which is told and not rewritten"] if _here(project) else []

    def find(self, search: Search) -> list[Found]:
        """See `Place.find`."""
        value, root = search.subject.value.strip(), search.project.root
        if not _here(search.project):
            return []
        if len(value) < _SHORTEST:
            why = f"not looked through: fewer than {_SHORTEST} characters stand everywhere"
            return [Found("git's history", 0, None, why)]
        commits = _git.commits_holding(root, value)
        if not commits:
            return []
        more = f" and {len(commits) - _SHOWN} more" if len(commits) > _SHOWN else ""
        named = ", ".join(commit[:12] for commit in commits[:_SHOWN]) + more
        return [Found("git's history", 0, None, f"commits {named}; {_REWRITE}")]

    def erase(self, project: Project, task: Mapping[str, Any]) -> None:
        """See `Place.erase`; there is nothing that is done."""


def open_place() -> Place:
    """The place."""
    return GitHistory()


def _here(project: Project) -> bool:
    return _git.in_git(project.root)
