"""A commit in a folder of its own, with the data of then; and training, run there once more."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

from mlops_cli import _git
from mlops_cli._files import write_text
from mlops_cli.config.load import load_project
from mlops_cli.config.paths import DATABASE, DVC_LOCK
from mlops_cli.config.project import Project
from mlops_cli.errors import EnvironmentFault, UsageError, error_of_exit_code
from mlops_cli.pipeline.dvc_data import bring, read_from
from mlops_cli.pipeline.erasure.erased import read_erased, renamed
from mlops_cli.progress import Progress

# They would have git, DVC or a stage look at the project itself, or at a run that started this.
_OTHERS = ("GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE", "DVC_EXP_NAME", "DVC_EXP_BASELINE_REV",
           "DVC_ROOT", "MLOPS_PROJECT", "MLOPS_FIRST", "MLOPS_RUN")  # fmt: skip
NO_HOOKS = ("-c", f"core.hooksPath={os.devnull}")


@contextmanager
def checked_out(project: Project, commit: str) -> Iterator[Project]:
    """The project as the commit has it, in a temporary folder that goes again.

    A clone that borrows the repository's objects, and not a work tree of it: so that nothing at
    all is written there, also by one that is killed.
    """
    with cloned(project, commit) as clone:
        read_from(clone, project.root, clone.parent / "cache")
        yield load_project(clone / within(project.root))


@contextmanager
def cloned(project: Project, commit: str) -> Iterator[Path]:
    """The project's repository as the commit has it, in a temporary folder that goes again."""
    top = top_of(project.root)
    with TemporaryDirectory(prefix="mlops-again-") as folder:
        clone = Path(folder).resolve() / "project"
        _git.run(top, *NO_HOOKS, "clone", "-q", "--shared", "--no-checkout", str(top), str(clone))
        _git.run(clone, *NO_HOOKS, "checkout", "-q", "--detach", commit)
        yield clone


def top_of(root: Path) -> Path:
    """The top of the git work tree; raises `UsageError` where there is none."""
    top = _git.top_of(root)
    if top is None:
        raise UsageError(f"{root} is not in a git work tree", hint="git init")
    return top


def within(root: Path) -> Path:
    """The project's folder, relative to the top of its repository."""
    return root.resolve().relative_to(top_of(root).resolve())


def bring_tables(copy: Project, project: Project, progress: Progress) -> tuple[str, ...]:
    """Bring what DVC keeps, and as a link what only the project's own folder has.

    What was written again without a subject is taken as it is now; returns those files. Raises
    `EnvironmentFault` for a table that is neither here nor in the remote.
    """
    progress.update("bringing the data")
    tracked = [name for name in _git.kept_files(copy.root) if name.endswith(".dvc")]
    erased = tuple(name for name in tracked if _follow(copy.root / name, project.root))
    lost = [name.removesuffix(".dvc") for name in bring(copy.root, tracked)]
    for table in copy.tables:
        there, own = copy.root / table, project.root / table
        if not there.exists() and table not in lost and own.is_file():
            there.parent.mkdir(parents=True, exist_ok=True)
            there.symlink_to(own.resolve())
    if named := [table for table in copy.tables if table in lost]:
        raise EnvironmentFault(
            f"the data of that commit is gone: {', '.join(named)} is neither in DVC's cache nor in "
            "its remote",
            hint="name the remote that has it: dvc remote add -d NAME URL",
        )
    return tuple(name.removesuffix(".dvc") for name in erased)


def _follow(file: Path, root: Path) -> bool:
    """Have a `.dvc` file name what its object was written again as; whether it was."""
    text = file.read_text(encoding="utf-8")
    if (new := renamed(text, read_erased(root))) == text:
        return False
    write_text(file, new)
    return True


def train_again(copy: Project, python: Path) -> None:
    """Run every stage up to `train`, by that interpreter; the registry is one of its own.

    Raises the error of the stage that failed.
    """
    (copy.root / DVC_LOCK).unlink(missing_ok=True)
    run_there(
        copy,
        python,
        ("run", "--force", "train"),
        registry=f"sqlite:///{copy.root / DATABASE}",
        failed="the pipeline of then does not run again",
    )


def run_there(
    copy: Project, python: Path, command: Sequence[str], *, registry: str, failed: str
) -> None:
    """Have `python` run a command of ours in the copy, with that registry.

    Raises the error of what failed, with `failed` before its message.
    """
    env = {name: value for name, value in os.environ.items() if name not in _OTHERS}
    env["MLFLOW_TRACKING_URI"] = registry
    done = subprocess.run(
        [str(python), "-P", "-m", "mlops_cli", *command, "--json"],
        cwd=copy.root,
        env=env,
        stdout=subprocess.PIPE,
        check=False,
    )
    if done.returncode == 0:
        return
    if done.returncode in (130, -2):
        raise KeyboardInterrupt
    try:
        said = json.loads(done.stdout)["error"]["message"]
    except (ValueError, KeyError, TypeError):
        said = f"it ended with {done.returncode}"
    raise error_of_exit_code(done.returncode, f"{failed}: {said}", "its log stands above")
