"""The tables of a project are kept by DVC, unless git or a stage of the user's has them."""

from __future__ import annotations

from pathlib import Path

from mlops_cli._git import tracks
from mlops_cli.config.project import Project
from mlops_cli.errors import EnvironmentFault, UsageError
from mlops_cli.pipeline.dvc import add
from mlops_cli.pipeline.dvc_yaml import outputs
from mlops_cli.progress import QUIET, Progress


def keep_tables(project: Project, progress: Progress = QUIET) -> None:
    """Put under DVC what nobody keeps, and would be lacking in a clone; a link is left alone."""
    root = project.root
    for table in project.tables if project.dvc_folder else ():
        if (root / f"{table}.dvc").is_file() or not _inside(root / table, root):
            continue
        if tracks(root, table) or any(Path(table).is_relative_to(out) for out in outputs(project)):
            continue
        try:
            add(root, table)
            progress.log(f"{table} is under DVC now: {table}.dvc belongs into git")
        except (EnvironmentFault, UsageError) as e:
            progress.log(f"{table} is kept neither by git nor by DVC: {e.message}")


def keep_again(project: Project, table: str, progress: Progress = QUIET) -> None:
    """Put what has changed of an ingested table under DVC, where the project has it."""
    if project.dvc_folder is None or tracks(project.root, table):
        return
    new = not (project.root / f"{table}.dvc").is_file()
    add(project.root, table)
    if new:
        progress.log(f"{table} is under DVC now: {table}.dvc belongs into git")


def _inside(path: Path, root: Path) -> bool:
    return path.resolve().is_relative_to(root.resolve())
