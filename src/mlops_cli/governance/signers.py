"""The keys that may sign: as the main line has them, whatever a work tree says."""

from __future__ import annotations

from mlops_cli._git import committed, in_git
from mlops_cli.config.project import Project
from mlops_cli.errors import UsageError
from mlops_cli.governance.main_line import main_revision


def read_signers(project: Project, file: str) -> bytes:
    """The content of `file`, relative to the project, as committed on the main line.

    Without git, and before the main line's first commit, it is read as it stands. Raises
    `UsageError` where it is not there.
    """
    root = project.root
    main = main_revision(project) if in_git(root) else None
    if main is None:
        found = (root / file).read_bytes() if (root / file).is_file() else None
    else:
        found = committed(root, main, file)
    if found is None:
        where = f"the main line ({main})" if main else f"{root}"
        raise UsageError(
            f"governance.signers names {file}, which is not there in {where}",
            hint=f"git add {file}, and commit it on the main line" if main else f"write {file}",
        )
    return found
