"""`mlops init`: a new project straight from a data file, whole or not at all."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from mlops_cli.config.load import load_project
from mlops_cli.errors import UsageError
from mlops_cli.expressions.moments import check_format
from mlops_cli.pipeline.dvc_yaml import write_dvc_yaml
from mlops_cli.progress import QUIET, Progress
from mlops_cli.scaffold.data import bring_data
from mlops_cli.scaffold.dvc import add_data, start_dvc
from mlops_cli.scaffold.examples import write_examples
from mlops_cli.scaffold.files import Plan, write_files
from mlops_cli.scaffold.place import check_free, new_folder
from mlops_cli.scaffold.repository import (
    FIRST_SUBJECT,
    first_commit,
    path_in_git,
    start_git,
    unstage,
)
from mlops_cli.scaffold.study import Guess, study_file
from mlops_cli.tables import open_engine

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,62}")


@dataclass(frozen=True, slots=True)
class InitResult:
    """The project that was made, what was guessed and why, and what deserves a second look."""

    project: str
    task: str
    target: str
    time: str | None
    features: tuple[str, ...]
    files: tuple[str, ...]
    guesses: tuple[Guess, ...]
    warnings: tuple[str, ...]


def init(
    directory: Path,
    *,
    data: Path,
    target: str,
    time: str | None = None,
    formats: Mapping[str, str] | None = None,
    git: bool = True,
    reference: bool = False,
    progress: Progress = QUIET,
) -> InitResult:
    """Make a project in `directory`, which does not exist or is empty, named after its last part.

    An init that was killed there may be repeated, as long as nothing was changed since.

    `data` is a CSV or Parquet file, `target` a column of it or `name = expression`, `time` the
    column that says when an event happened; `formats` say how dates are written (strptime's codes,
    `epoch_s`, `epoch_ms`) by column, where the file does not show it. The file is copied and put
    under DVC; with `reference` it stays where it is.

    Raises `UsageError` for what was asked wrongly, `DataError` for a file that cannot be read or
    leaves nothing to learn. Nothing is left behind then.
    """
    name = _name(directory)
    check_free(directory)
    if not target.strip():
        raise UsageError("the target is empty", hint="--target COLUMN, or 'name = expression'")
    if not data.is_file():
        raise UsageError(f"no such file: {data}", hint="--data takes a CSV or Parquet file")
    for column, written in (formats or {}).items():
        _check_format(column, written)
    progress.update(f"reading {data.name}")
    with open_engine() as engine:
        study = study_file(engine, data, target=target, time=time, formats=formats)
        plan = Plan(
            name=name,
            table=f"data/raw/{data.name}",
            target=target.strip(),
            study=study,
            reference=reference,
            folder=path_in_git(directory) if git else None,
        )
        with new_folder(directory) as root:
            progress.update(f"making {directory}")
            files = write_files(root, plan)
            bring_data(data, root / plan.table, reference=reference)
            files += write_examples(engine, root, study.target.sql)
            engine.check_steady()  # before DVC puts a link in the copy's place
            _keep(root, plan, git=git)
            write_dvc_yaml(load_project(root))
            if git and plan.folder is None:
                first_commit(root, f"{name}{FIRST_SUBJECT}")
    if git and plan.folder is not None:
        first_commit(directory, f"{name}{FIRST_SUBJECT}")
    return _result(directory, plan, files)


def parse_format(option: str) -> tuple[str, str]:
    """The column and its format from `COLUMN=FORMAT`; raises `UsageError` where one is missing."""
    name, _, written = option.partition("=")
    if not name or not written:
        raise UsageError(
            f"--date-format {option!r} has no format",
            hint="such as --date-format 'paid_at=%d/%m/%Y'",
        )
    return name, written


def _check_format(name: str, written: str) -> None:
    try:
        check_format(written)
    except ValueError as e:
        raise UsageError(f"the format of {name!r}: {e}", hint="--date-format 'NAME=FORMAT'") from e


def _keep(root: Path, plan: Plan, *, git: bool) -> None:
    """Put the project under git and DVC."""
    if git and plan.folder is None:
        start_git(root)
    start_dvc(root, git=git, subdirectory=plan.folder is not None)
    if git and plan.folder is not None:
        unstage(root)
    if not plan.reference:
        add_data(root, plan.table)


def _name(directory: Path) -> str:
    name = directory.resolve().name
    if not _NAME.fullmatch(name):
        raise UsageError(
            f"{name!r} cannot be a project's name",
            hint="letters, digits, `.`, `_` and `-`, at most 63, the first no sign",
        )
    return name


def _result(directory: Path, plan: Plan, files: list[str]) -> InitResult:
    study, warnings = plan.study, list(plan.study.warnings)
    if plan.reference:
        warnings.append(f"{plan.table} is a link: a clone of this project lacks the data")
    if plan.folder is not None:
        warnings.append("GitHub reads workflows at the repository's root: move .github there")
    return InitResult(
        project=str(directory),
        task=study.task,
        target=plan.target,
        time=study.time,
        features=study.features,
        files=(*files, plan.table),
        guesses=study.guesses,
        warnings=tuple(warnings),
    )
