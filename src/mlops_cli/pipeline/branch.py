"""A branch of the project with its newest data, and the pipeline run there, beside the project."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from mlops_cli import _git
from mlops_cli.config.document import set_value
from mlops_cli.config.load import load_project
from mlops_cli.config.paths import CONFIG
from mlops_cli.config.project import Project
from mlops_cli.errors import UsageError
from mlops_cli.pipeline.again import NO_HOOKS, bring_tables, cloned, run_there, top_of, within
from mlops_cli.pipeline.dvc_data import add, read_from
from mlops_cli.progress import Progress
from mlops_cli.tracking.address import store_uri


@dataclass(frozen=True, slots=True)
class Branch:
    """A new branch `name` of `project`, checked out in the folder of `copy`.

    What DVC keeps goes to the project's cache, what is registered to its registry.
    """

    project: Project
    copy: Project
    name: str

    def run(self) -> None:
        """Run the whole pipeline there; raises the error of the stage that failed."""
        run_there(
            self.copy,
            Path(sys.executable),
            ("run",),
            registry=self._registry,
            failed=f"the pipeline fails on {self.name}",
        )

    @property
    def registering(self) -> Project:
        """The copy, with the project's own registry."""
        config = self.copy.config
        tracking = config.tracking.model_copy(update={"uri": self._registry})
        return replace(self.copy, config=config.model_copy(update={"tracking": tracking}))

    @property
    def _registry(self) -> str:
        return store_uri(self.project.root, self.project.config.tracking.uri)

    def commit(self, message: str) -> str:
        """Commit all of it, and have the project's repository keep the branch; the commit."""
        here = self.copy.root
        name, _, address = _git.author(self.project.root).partition(" <")
        email = address.rstrip(">") or f"{name}@localhost"  # a login, where git knows nobody
        who = ("-c", f"user.name={name}", "-c", f"user.email={email}")
        _git.run(here, "add", "-A")
        _git.run(here, *NO_HOOKS, *who, "commit", "-q", "--allow-empty", "-m", message)
        commit = _git.run(here, "rev-parse", "HEAD").strip()
        top, clone = top_of(self.project.root), top_of(here)
        _git.run(top, "fetch", "-q", "--no-tags", str(clone), f"HEAD:refs/heads/{self.name}")
        return commit


@contextmanager
def new_branch(
    project: Project, name: str, *, since: str, window: str | None, progress: Progress
) -> Iterator[Branch]:
    """A branch from the commit `since`, with the tables as the project's folder has them now.

    What that folder lacks is brought by DVC. `window` becomes `data.window` of its `mlops.yaml`.
    Raises `UsageError` where a branch of that name is there.
    """
    if name in _git.branches(project.root):
        raise UsageError(
            f"the branch {name} is there already", hint=f"merge it, or git branch -D {name}"
        )
    with cloned(project, since) as clone:
        _git.run(clone, "switch", "-q", "-c", name)
        read_from(clone, project.root)
        root = clone / within(project.root)
        if window is not None:
            set_value(root / CONFIG, "data", "window", window)
        copy = load_project(root)
        bring_tables(copy, project, progress)
        for table in copy.tables:
            _take_newest(copy.root, project.root, table)
        yield Branch(project, copy, name)


def _take_newest(copy: Path, root: Path, table: str) -> None:
    """The file of the project's own folder, where DVC tracks it and there is one."""
    own, there = root / table, copy / table
    if not own.is_file() or not Path(f"{there}.dvc").is_file():
        return
    there.unlink(missing_ok=True)
    shutil.copyfile(own, there)
    add(copy, table)
