"""`mlops init`: a new project straight from a data file, whole or not at all."""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from mlops_cli._files import nearest, write_text
from mlops_cli.config.load import load_project
from mlops_cli.config.paths import DVC_YAML
from mlops_cli.errors import UsageError
from mlops_cli.expressions.moments import check_format
from mlops_cli.pipeline.dvc_yaml import write_dvc_yaml
from mlops_cli.pipeline.kept import keep_tables
from mlops_cli.progress import QUIET, Progress
from mlops_cli.scaffold.beside import check_place, folder_beside, join
from mlops_cli.scaffold.data import bring_data
from mlops_cli.scaffold.dvc import add_data, dvc_of, start_dvc
from mlops_cli.scaffold.examples import write_examples
from mlops_cli.scaffold.files import Plan, facts_of, write_files
from mlops_cli.scaffold.given import given
from mlops_cli.scaffold.place import joins, new_folder
from mlops_cli.scaffold.repository import (
    FIRST_SUBJECT,
    Repository,
    first_commit,
    repository_of,
    start_git,
    unstage,
)
from mlops_cli.scaffold.study import Guess, Study, study_file
from mlops_cli.tables import open_engine
from mlops_cli.tables.base import Engine

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
    """Make a project in `directory`, named after its last part.

    It does not exist, is empty, or is the folder that one stands in: then the project joins what
    is there, and overwrites nothing of it. Inside a git work tree it is a model among others, with
    one DVC repository for all, and a workflow of its own at the top.

    An init that was killed there may be repeated, as long as nothing was changed since.

    `data` is a CSV or Parquet file, `target` a column of it or `name = expression`, `time` the
    column that says when an event happened; `formats` say how dates are written (strptime's codes,
    `epoch_s`, `epoch_ms`) by column, where the file does not show it. The file is copied and put
    under DVC; with `reference` it stays where it is.

    Raises `UsageError` for what was asked wrongly, `DataError` for a file that cannot be read or
    leaves nothing to learn. Nothing is left behind then.
    """
    if not target.strip():
        _name(directory)
        raise UsageError("the target is empty", hint="--target COLUMN, or 'name = expression'")
    place = place_of(directory, data, git=git)
    for column, written in (formats or {}).items():
        _check_format(column, written)
    progress.update(f"reading {data.name}")
    with open_engine() as engine:
        study = study_file(engine, data, target=target, time=time, formats=formats)
        return create(engine, place, data, study, target=target, reference=reference)


@dataclass(frozen=True, slots=True)
class Place:
    """Where a project of this name is to be made, and where its table will stand there.

    `beside`: it joins what is there. `repository` is the git work tree that it stands in.
    """

    directory: Path
    name: str
    table: str
    beside: bool
    git: bool
    repository: Repository | None


def place_of(directory: Path, data: Path, *, git: bool = True, name: str | None = None) -> Place:
    """The place for a new project; `name` is by default the last part of `directory`.

    Raises `UsageError` where one cannot be made there, and for `data` that is not there.
    """
    name = _checked(name) if name else _name(directory)
    beside = joins(directory)
    if not data.is_file():
        raise UsageError(f"no such file: {data}", hint="--data takes a CSV or Parquet file")
    repository = repository_of(directory, inclusive=beside) if git else None
    table = _table(data, directory if beside else None)
    if beside:
        check_place(directory, data, table=table, git=repository is not None)
    return Place(directory, name, table, beside, git, repository)


def create(
    engine: Engine, place: Place, data: Path, study: Study, *, target: str, reference: bool = False
) -> InitResult:
    """Make the project of a study of `data`, whole or not at all."""
    repository = place.repository
    plan = Plan(
        name=place.name,
        table=place.table,
        target=target.strip(),
        study=study,
        reference=reference and not (place.directory / place.table).exists(),
        folder=repository.path if repository and repository.path != "." else None,
        beside=place.beside,
    )
    make = _join if place.beside else _make
    files, stays = make(engine, place.directory, data, plan, repository, git=place.git)
    return _result(place.directory, plan, files, stays)


def _table(data: Path, directory: Path | None) -> str:
    """Where the table will stand: where it is, if that is in the folder that the project joins."""
    place, folder = data.resolve(), directory and directory.resolve()
    inside = folder is not None and place.is_relative_to(folder)
    return place.relative_to(folder).as_posix() if folder and inside else f"data/raw/{data.name}"


def _make(
    engine: Engine,
    directory: Path,
    data: Path,
    plan: Plan,
    repository: Repository | None,
    *,
    git: bool,
) -> tuple[list[str], list[str]]:
    """A folder of its own, whole or not at all."""
    top = repository.top if repository and repository.dvc is None else None
    message = f"{plan.name}{FIRST_SUBJECT}"
    with new_folder(directory) as root, _workflow(directory, plan) as flow, dvc_of(top) as shared:
        files = _files(engine, root, data, plan)
        engine.check_steady()  # before DVC puts a link in the copy's place
        if repository is None:
            if git:
                start_git(root)
            start_dvc(root, git=git)
        if not plan.reference:
            add_data(root, plan.table)
        if repository is not None:
            unstage(root)
        write_dvc_yaml(load_project(root))
        if git and repository is None:
            first_commit(root, message)
    if repository is not None:
        plots = nearest(directory.resolve(), ".dvc/plots")
        first_commit(directory, message, *shared, *flow, *([plots] if plots else []))
    return files, []


def _join(
    engine: Engine,
    directory: Path,
    data: Path,
    plan: Plan,
    repository: Repository | None,
    *,
    git: bool,
) -> tuple[list[str], list[str]]:
    """Beside what stands in the folder already; nothing is committed."""
    with _workflow(directory, plan), folder_beside(directory) as root:
        files = _files(engine, root, data, replace(plan, reference=True))
        engine.check_steady()
        (root / plan.table).unlink()  # a link, to be read by
        if (directory / DVC_YAML).is_file():
            shutil.copyfile(directory / DVC_YAML, root / DVC_YAML)
        write_dvc_yaml(load_project(root), templates=False)
        stays = join(root, directory)
    if git and repository is None:
        start_git(directory)
    if (repository.dvc if repository else nearest(directory.resolve(), ".dvc")) is None:
        start_dvc(repository.top if repository else directory, git=git)
    if not (directory / plan.table).exists():
        bring_data(data, directory / plan.table, reference=plan.reference)
    project = load_project(directory)
    write_dvc_yaml(project)  # DVC has a place for the templates of plots now
    keep_tables(project)
    return files, stays


def _files(engine: Engine, root: Path, data: Path, plan: Plan) -> list[str]:
    files = write_files(root, plan)
    bring_data(data, root / plan.table, reference=plan.reference)
    return files + write_examples(engine, root, plan.study.target.sql)


@contextmanager
def _workflow(directory: Path, plan: Plan) -> Iterator[list[Path]]:
    """What GitHub runs, at the top of the repository; taken back where the block fails."""
    if plan.folder is None:
        yield []
        return
    facts = facts_of(plan)
    file = (directory.resolve() / facts.workflow).resolve()
    text = given(facts).files[facts.workflow]
    if found := file.exists():
        if file.read_text(encoding="utf-8") != text:
            raise UsageError(f"{file} is there, and is another one", hint="move or rename it")
    else:
        write_text(file, text)
    try:
        yield [file]
    except BaseException:
        if not found:
            file.unlink()
        raise


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


def _name(directory: Path) -> str:
    return _checked(directory.resolve().name)


def _checked(name: str) -> str:
    if not _NAME.fullmatch(name):
        raise UsageError(
            f"{name!r} cannot be a project's name",
            hint="letters, digits, `.`, `_` and `-`, at most 63, the first no sign",
        )
    return name


def _result(directory: Path, plan: Plan, files: list[str], stays: Sequence[str]) -> InitResult:
    study, warnings = plan.study, list(plan.study.warnings)
    if plan.reference:
        warnings.append(f"{plan.table} is a link: a clone of this project lacks the data")
    told = [f"{name} is yours, and stays as it is" for name in stays]
    if plan.beside:
        told.append("nothing is committed yet: git status shows what is new")
    return InitResult(
        project=str(directory),
        task=study.task,
        target=plan.target,
        time=study.time,
        features=study.features,
        files=(*files, plan.table),
        guesses=study.guesses,
        warnings=(*told, *warnings),
    )
