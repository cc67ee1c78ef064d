"""The main line: the branch whose models become the champion by themselves."""

from __future__ import annotations

import os
from pathlib import Path

from mlops_cli._git import branches, commit_at, current_branch, default_branch, in_git
from mlops_cli.config.project import Project
from mlops_cli.governance.result import EXPERIMENT, by_experiment

_USUAL = ("main", "master")


def off_main_line(project: Project) -> str | None:
    """Why a model that is made here does not become the champion by itself; None where it does.

    Without git there is one line only. The main line is `register.branch`, else the branch that
    the remote `origin` calls its own, else `main`, `master`, or the only branch that there is. A
    commit that is checked out without a branch counts where the main line stands at it.
    """
    if by_experiment():
        return f"this is the experiment {os.environ.get(EXPERIMENT[0], 'of `dvc exp run`')}"
    root = project.root
    if not in_git(root):
        return None
    main = project.config.register_.branch or _main_branch(root)
    here = current_branch(root)
    if main is None:
        return "no branch is called main or master: set register.branch"
    if here == main or (here is None and _stands_at(root, main)):
        return None
    return f"the main line is {main}, and this is {here or 'no branch'}"


def tips(root: Path, branch: str | None = None) -> list[str]:
    """Where the main line may stand, the best known first: as origin has it, then as is here.

    `branch` is what the rules there call the main line. Where no branch is the main one, it is the
    commit that is checked out.
    """
    name = branch or _main_branch(root)
    names = [f"refs/remotes/origin/{name}", f"refs/heads/{name}"] if name else ["HEAD"]
    return [commit for ref in names if (commit := commit_at(root, ref))]


def _main_branch(root: Path) -> str | None:
    if name := default_branch(root):
        return name
    here = current_branch(root)
    known = branches(root) or ([here] if here else [])  # there is none before the first commit
    usual = next((name for name in _USUAL if name in known), None)
    return usual or (known[0] if len(known) == 1 else None)


def _stands_at(root: Path, branch: str) -> bool:
    here = commit_at(root, "HEAD")
    names = (f"refs/heads/{branch}", f"refs/remotes/origin/{branch}")
    return here is not None and here in {commit_at(root, name) for name in names}
