"""The command `import`: a model that was trained elsewhere becomes a bundle and the champion."""

from __future__ import annotations

import os
import platform
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc

from mlops_cli._files import sha256_of
from mlops_cli.actions.init import Place, create, place_of
from mlops_cli.bundle.manifest import ClassLabel, Task
from mlops_cli.bundle.manifest import Target as Predicted
from mlops_cli.bundle.writer import Model
from mlops_cli.config.load import load_project
from mlops_cli.config.paths import CONFIG
from mlops_cli.config.project import Project
from mlops_cli.config.root import find_project
from mlops_cli.contracts.infer import infer_contract
from mlops_cli.contracts.model import Contract
from mlops_cli.contracts.statistics import TableStatistics
from mlops_cli.contracts.unusual import find_sentinels
from mlops_cli.errors import DataError, UsageError
from mlops_cli.governance.candidate import IMPORTED
from mlops_cli.governance.imported import Entrant, enter
from mlops_cli.importing import open_original
from mlops_cli.importing.answers import classes_of, metrics_of
from mlops_cli.importing.base import Original
from mlops_cli.importing.bundle import Made, Sample, make_bundle
from mlops_cli.importing.columns import Columns, match, matrix_of
from mlops_cli.importing.recognise import EXECUTED, Found, recognise
from mlops_cli.importing.trusted import Read, read
from mlops_cli.progress import QUIET, Progress
from mlops_cli.scaffold.imported import UNKNOWN, study_of, target_text
from mlops_cli.scaffold.target import Target, read_target
from mlops_cli.serving.models import versions
from mlops_cli.tables import open_engine
from mlops_cli.tables.base import Engine, quote

ROWS = 100_000  # of the data are held to the original; the trees' own rows come on top
_NOT_ALIKE = "its form for serving takes missing values another way than its library does"
_CHANCE = 0.5  # a binary model's area under the curve, if it knew nothing


@dataclass(frozen=True, slots=True)
class ImportResult:
    """The champion that was made, and on what it was held to the original.

    `project` is its folder, which `created` says was made; `form` the library that it was held to
    on `rows` rows, `split_rows` of them made of its trees' splits; `largest` is the largest
    difference of a prediction. `golden` rows were reproduced. `metrics` are of the given data,
    empty without a target; the model may have been fitted on these rows.
    """

    project: str
    created: bool
    form: str
    task: Task
    target: str
    classes: tuple[ClassLabel, ...] | None
    features: tuple[str, ...]
    digest: str
    version: str
    rows: int
    split_rows: int
    largest: float
    golden: int
    metrics: Mapping[str, float]
    remarks: tuple[str, ...]


def import_model(
    model: Path,
    data: Path,
    *,
    target: str | None = None,
    name: str | None = None,
    project: Path | None = None,
    trust: bool = False,
    first: bool = False,
    numbers: bool = False,
    progress: Progress = QUIET,
) -> ImportResult:
    """Import the model in `model`, proven on `data`, and make it the project's champion.

    `model` is a file of XGBoost, LightGBM or ONNX; with `trust` also a pickle, joblib or skops
    file, or an MLflow folder of one, which is read once in a child process. `data` is CSV or
    Parquet with the model's features and, where it is known, the `target` (a column, or `name =
    expression`). The project is that of the folder `project` (default: found upwards); where there
    is none it is made there, called `name`. `first` does without the champion that there is;
    `numbers` takes -999 and such in the data for numbers.

    Raises `UsageError` for what has no exact form for serving, with the reason or the largest
    difference, `DataError` for data that is not the model's, and what `governance.imported.enter`
    raises.
    """
    found = recognise(model)
    _check_trust(found, trust=trust)
    where = _where(project, name, data)
    progress.update(f"reading {data.name}")
    with (
        _original(found, progress) as original,
        open_engine() as engine,
        tempfile.TemporaryDirectory() as temporary,
    ):
        given = _given(engine, data, where, original, target)
        step = _Step(engine, where, found, given, data, numbers, Path(temporary) / "bundle")
        work, made = _proven(step, original, progress)
        entered = where if isinstance(where, Project) else _create(engine, where, work, data)
        files = {"model": sha256_of(found.file), "table": sha256_of(data)}
        progress.update(f"registering {made.bundle.version}")
        entrant = Entrant(made.bundle, original.form, work.metrics, files)
        enter(entered, entrant, first=first, progress=progress)
    return _result(entered, work, made, created=isinstance(where, Place))


@dataclass(frozen=True, slots=True)
class _Given:
    """What the data holds: its contract, and the target where it has it."""

    contract: Contract
    table: TableStatistics
    target: Target | None
    predicted: Predicted

    @property
    def target_columns(self) -> tuple[str, ...]:
        """The columns that the target is made of, which are no features."""
        return self.target.inputs if self.target else ()


@dataclass(frozen=True, slots=True)
class _Step:
    """What an import begins with; the bundle is to be written to `bundle`."""

    engine: Engine
    where: Project | Place
    found: Found
    given: _Given
    data: Path
    numbers: bool
    bundle: Path


@dataclass(frozen=True, slots=True)
class _Work:
    where: Project | Place
    original: Original
    given: _Given
    columns: Columns
    sample: Sample
    classes: tuple[ClassLabel, ...] | None
    metrics: Mapping[str, float]


def _check_trust(found: Found, *, trust: bool) -> None:
    if found.form in EXECUTED and not trust:
        raise UsageError(
            f"{found.file} is a {found.form} file by its content, and reading one can run whatever "
            "code its author put there",
            hint="where you trust its author: the same command with --trust; it is read once, in a "
            "process of its own, and never where it serves",
        )


def _where(folder: Path | None, name: str | None, data: Path) -> Project | Place:
    """The project that there is, or where one is to be made."""
    if not data.is_file():
        raise UsageError(f"no such file: {data}", hint="--data takes a CSV or Parquet file")
    named = folder or (Path(p) if (p := os.environ.get("MLOPS_PROJECT")) else None)
    try:
        root = find_project(named)
    except UsageError:
        return place_of(named or Path(), data, name=name)
    project = load_project(root)
    if name not in (None, project.config.project):
        raise UsageError(
            f"the project in {root} is {project.config.project}, and not {name}",
            hint="leave --name out, or name another folder with --project",
        )
    return project


@contextmanager
def _original(found: Found, progress: Progress) -> Iterator[Original]:
    if found.form not in EXECUTED:
        yield open_original(found.form, found.file.read_bytes(), None)
        return
    with read(found.file, found.form, progress=progress) as inside:
        if isinstance(inside, Read):
            yield open_original(inside.native or found.form, inside.contents[0], inside.classes)
        else:
            yield inside


def _given(
    engine: Engine, data: Path, where: Project | Place, original: Original, asked: str | None
) -> _Given:
    contract, table = infer_contract(engine, data)
    if isinstance(where, Place):
        target = read_target(engine, data, table, asked) if asked else None
        predicted = Predicted(target.name, target.expression) if target else Predicted(UNKNOWN)
        return _Given(contract, table, target, predicted)
    config = where.config
    if asked is not None and asked.strip() != config.data.target.strip():
        raise UsageError(
            f"{CONFIG}: data.target is {config.data.target!r}, and not {asked!r}",
            hint="leave --target out, or make another project: --project DIR",
        )
    if config.task != original.task:
        raise UsageError(
            f"{CONFIG}: the task is {config.task}, and the model's is {original.task}",
            hint="make another project for it: --project DIR",
        )
    predicted = Predicted(config.data.target_name, config.data.target_expression)
    return _Given(contract, table, _target_of(engine, data, table, config.data.target), predicted)


def _target_of(engine: Engine, data: Path, table: TableStatistics, text: str) -> Target | None:
    try:
        return read_target(engine, data, table, text)
    except (UsageError, DataError):  # a table without it
        return None


def _proven(step: _Step, original: Original, progress: Progress) -> tuple[_Work, Made]:
    """The bundle; without missing values, where it differs from the original in these alone."""
    try:
        return _made(step, original, progress)
    except UsageError:
        if not original.missing or original.kind != "onnx":
            raise
        try:
            return _made(step, replace(original, missing=False, remarks=(_NOT_ALIKE,)), progress)
        except (UsageError, DataError):
            pass
        raise


def _made(step: _Step, original: Original, progress: Progress) -> tuple[_Work, Made]:
    given = step.given
    columns = match(original, step.found.names, given.contract, given.target_columns)
    rows = _rows(step.engine, step.data, columns, given)
    work = _work(step.where, original, given, columns, rows)
    if not step.numbers:
        _ask_of_sentinels(step, columns)
    origin = _provenance(original, step.found.file, step.data)
    model, sample = _model(work), work.sample
    made = make_bundle(step.bundle, model, original, columns, sample, origin, progress=progress)
    return work, made


def _rows(
    engine: Engine, data: Path, columns: Columns, given: _Given
) -> tuple[pa.Table, pa.Array | None]:
    """The inputs of the data's first rows, and their target; without those that lack an input.

    Raises `DataError` where no row is left.
    """
    answer = f", {given.target.sql} as __target__" if given.target else ""
    cells = ", ".join(quote(name) for name in columns.names)
    forms = {**given.contract.forms, **columns.forms}
    found = engine.arrow(f"select {cells}{answer} from {engine.typed(data, forms)} limit {ROWS}")
    needed = [i.name for i in columns.inputs if not i.nullable]
    for name in needed:
        found = found.filter(pc.is_valid(found[name]))
    if not found.num_rows:
        raise DataError(
            f"{data.name} has no row with a value in each of {', '.join(needed)[:200]}",
            hint="the model takes no missing values: give rows that have them all",
        )
    answers = found["__target__"].combine_chunks() if given.target else None
    return found.select(columns.names), answers


def _work(
    where: Project | Place,
    original: Original,
    given: _Given,
    columns: Columns,
    rows: tuple[pa.Table, pa.Array | None],
) -> _Work:
    table, answers = rows
    sample = Sample(table, matrix_of(table, columns))
    classes = classes_of(original, answers)
    metrics = {} if answers is None else metrics_of(original, classes, sample.matrix, answers)
    return _Work(where, original, given, columns, sample, classes, metrics)


def _ask_of_sentinels(step: _Step, columns: Columns) -> None:
    for one in find_sentinels(step.engine, step.data, step.given.table, once=True):
        if one.name not in columns.names:
            continue
        raise DataError(
            f"the column `{one.name}` holds {one.value:.0f}, which often stands for a missing "
            "value: whether the model was fitted so, its file does not say",
            hint="where it is missing, leave these cells empty in the data and send null; where it "
            "is a number like any other: the same command with --numbers",
        )


def _model(work: _Work) -> Model:
    where = work.where
    config = where.config if isinstance(where, Project) else None
    return Model(
        project=where.config.project if isinstance(where, Project) else where.name,
        task=work.original.task,
        target=work.given.predicted,
        classes=work.classes,
        kind=work.original.kind,
        inputs=work.columns.inputs,
        features=work.columns.features,
        modules=versions(work.original.kind),
        id=config.data.id.columns if config else (),
        sensitive=config.data.sensitive if config else (),
    )


def _create(engine: Engine, place: Place, work: _Work, data: Path) -> Project:
    given, task = work.given, work.original.task
    study = study_of(given.contract, given.target, task, work.columns.names)
    create(engine, place, data, study, target=target_text(study.target))
    return load_project(place.directory)


def _provenance(original: Original, model: Path, data: Path) -> Mapping[str, object]:
    return {
        "time": datetime.now(UTC).isoformat(timespec="seconds"),
        "host": platform.node(),
        IMPORTED: {
            "form": original.form,
            "file": model.name,
            "model_sha256": sha256_of(model),
            "data_sha256": sha256_of(data),
        },
        "mlops_cli_version": version("mlops-cli"),
    }


def _remarks(work: _Work) -> Iterator[str]:
    original, classes = work.original, work.classes
    yield from original.remarks
    if work.columns.by_order:
        yield "the model names no features: the columns were taken in their order"
    if classes and original.classes is None:
        told = ", ".join(str(label) for label in classes)
        yield f"the model does not name its classes: they are taken to be, in order, {told}"
    if not original.missing:
        yield "the model takes no missing values: the service refuses them by name (422)"
    if work.metrics.get("roc_auc", 1.0) < _CHANCE:
        yield (
            f"warning: on this data its probabilities rank rows worse than chance (roc_auc "
            f"{work.metrics['roc_auc']:.3g}): are the classes in another order?"
        )


def _result(project: Project, work: _Work, made: Made, *, created: bool) -> ImportResult:
    bundle, proven = made.bundle, made.proven
    return ImportResult(
        project=str(project.root),
        created=created,
        form=work.original.form,
        task=work.original.task,
        target=work.given.predicted.name,
        classes=work.classes,
        features=work.columns.names,
        digest=bundle.digest,
        version=bundle.version,
        rows=proven.rows,
        split_rows=proven.of_splits,
        largest=proven.largest,
        golden=made.golden,
        metrics=work.metrics,
        remarks=tuple(_remarks(work)),
    )
