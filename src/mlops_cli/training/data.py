"""What featurize wrote, as parts for fitting and judging."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import msgspec
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from numpy.typing import NDArray

from mlops_cli.bundle.manifest import ClassLabel, Feature
from mlops_cli.bundle.plan import ID, TARGET, TIME, WEIGHT, FeaturePlan
from mlops_cli.config.model import Config
from mlops_cli.config.paths import FEATURES_PLAN, FEATURES_TABLE
from mlops_cli.errors import DataError
from mlops_cli.tables.base import ROW
from mlops_cli.tables.disclosure import reading
from mlops_cli.tables.folds import Fold, folds
from mlops_cli.tables.groups import codes_of
from mlops_cli.tables.matrix import encode, frozen_categories
from mlops_cli.tables.split import Draw, Keys, Rows, Split, split
from mlops_cli.training.base import Part, Problem
from mlops_cli.training.monotone import directions
from mlops_cli.training.reweighing import reweighed
from mlops_cli.training.row_weights import check_training_part, weights_of
from mlops_cli.training.target_order import in_target_order

_BATCH = 131_072  # rows that are encoded at once


@dataclass(frozen=True, slots=True)
class Events:
    """The rows of `data/features.parquet`: the target as numbers, the split, and where the rest is.

    Columns are read when they are asked for: all of a large table never stand in memory. Of shape
    (n,): `target`, the class's index in `plan.classes`, or the value; `numbers`, the source rows'
    numbers; `moments`, the rows' times in microseconds, None without a time.
    """

    file: Path
    plan: FeaturePlan
    target: NDArray[np.float64]
    numbers: Rows
    moments: NDArray[np.int64] | None
    split: Split
    sensitive: frozenset[str] = frozenset()
    """The columns of `data.sensitive`, and the features that read one."""
    groups: Rows | None = None
    """The number of each row's group, shape (n,); None where `split.key` names no column."""
    ordered: bool = False
    """Whether categories are in the order of the target (`train.categories`), not the alphabet."""
    weights: NDArray[np.float64] | None = None
    """How much each row counts, shape (n,); None without `train.weights` and `train.mitigate`."""

    @property
    def root(self) -> Path:
        """The project's folder."""
        return self.file.parents[len(Path(FEATURES_TABLE).parts) - 1]

    @property
    def keys(self) -> Keys:
        """What the rows are split by."""
        return Keys(self.numbers, self.target, self.moments, self.groups)

    def groups_of(self, key: Sequence[str]) -> Rows | None:
        """The number of each row's group by columns; None where the table lacks one of them.

        A row whose columns are all null is a group of its own.
        """
        return _groups(self.file, key)

    def folds(self, draw: Draw, count: int, *, repeats: int = 1) -> tuple[Fold, ...]:
        """`count` folds of the rows that the final model is fitted on: see `tables.folds.folds`.

        Their positions are the table's, as those of `split`.
        """
        return folds(draw, self.keys, self.split.fitted, count, repeats=repeats)

    def unlearned(self, fold: Fold) -> str | None:
        """A class of which the fold has no row to learn from; None where there is no such class."""
        classes = self.plan.classes or ()
        lacking = np.setdiff1d(np.arange(len(classes)), self.target[fold.train])
        return str(classes[int(lacking[0])]) if len(lacking) else None

    def features(self, rows: Rows) -> tuple[Feature, ...]:
        """The plan's features, each category's list frozen from `rows`.

        Of a sensitive one it has what at least five of them have.
        """
        names = [f.name for f in self.plan.features if f.kind == "category"]
        if not names:
            return self.plan.features
        texts = frozen_categories(self.rows(rows, names), names, self.sensitive)
        frozen = {name: Feature(name, "category", texts[name]) for name in names}
        if self.ordered:
            listed = tuple(frozen.values())
            frozen = {f.name: f for f in in_target_order(listed, self.part(listed, rows))}
        return tuple(frozen.get(f.name, f) for f in self.plan.features)

    def only(self, names: Collection[str]) -> Events:
        """The same rows, of which the model gets these features alone."""
        return replace(self, plan=self.plan.only(names))

    def rows(self, rows: Rows, names: Sequence[str] | None = None) -> pa.Table:
        """The table's rows at ascending positions (`names`: only these columns)."""
        table = _read_table(self.file, names)
        run = _run(rows)
        return table.take(rows) if run is None else table.slice(run.start, len(rows))

    def known_subjects(self, names: Sequence[str]) -> tuple[int, int]:
        """How many subjects of the hold-out, by these columns, were fitted on, and how many it has.

        Those with a null among their columns do not count.
        """
        keys = [ID + name for name in names]
        held, fitted = (
            self.rows(rows, keys).select(keys).drop_null().group_by(keys).aggregate([])
            for rows in (self.split.holdout, self.split.fitted)
        )
        return held.join(fitted, keys, join_type="inner").num_rows, held.num_rows

    def part(self, features: tuple[Feature, ...], rows: Rows) -> Part:
        """The rows at ascending positions as the model's matrix, and their target."""
        matrix = np.empty((len(rows), len(features)), dtype=np.float32)
        start = 0
        with pq.ParquetFile(self.file, pre_buffer=False) as file:  # or all of it stays
            for batch in file.iter_batches(_BATCH, columns=[f.name for f in features]):
                first, last = np.searchsorted(rows, [start, start + batch.num_rows])
                if first < last:
                    matrix[first:last] = encode(batch, features)[rows[first:last] - start]
                start += batch.num_rows
        pa.default_memory_pool().release_unused()  # it keeps what the batches took
        weight = None if self.weights is None else self.weights[rows]
        return Part(matrix, self.target[rows], weight)


def read_events(root: Path, config: Config) -> Events:
    """Read what `featurize` wrote in the project folder `root`, and split it.

    Raises `DataError` where it is missing, has a target that is no finite number (regression), a
    weight that is none, a class without a row in the training part, or too few rows for three
    parts.
    """
    plan = _read_plan(root / FEATURES_PLAN)
    file = root / FEATURES_TABLE
    # A file without a time, or weights, has no column of that name, and none is read.
    table = _read_table(file, [ROW, TARGET, TIME, WEIGHT])
    target = _target(table[TARGET], plan)
    numbers = np.asarray(table[ROW].to_numpy(), dtype=np.int64)
    moments = _moments(table)
    groups = _groups(file, config.split.key) if config.split.key else None
    if config.split.key and groups is None:
        raise DataError(f"{FEATURES_TABLE} lacks a column of split.key", hint="mlops featurize")
    parts = split(draw_of(config), Keys(numbers, target, moments, groups))
    weights = weights_of(table, config.train.weights)
    check_training_part(target, plan, parts, weights)
    if config.train.mitigate is not None:
        names = config.train.mitigate.columns or config.data.sensitive
        columns = [plan.kept_as(name) for name in names]
        weights = reweighed(_read_table(file, columns), columns, target, parts.fitted, weights)
    sensitive = reading(plan.trees, config.data.sensitive)
    ordered = config.train.categories == "ordered"
    read = Events(file, plan, target, numbers, moments, parts, sensitive, groups)
    return replace(read, ordered=ordered, weights=weights)


def read_fitted(root: Path, config: Config) -> pa.Table:
    """The rows that the final model is fitted on, training and validation, with their columns.

    Raises what `read_events` raises.
    """
    events = read_events(root, config)
    return events.rows(events.split.fitted)


def about_groups(events: Events, config: Config) -> str | None:
    """How many groups each part has, in words; None where rows are not split by groups."""
    if events.groups is None:
        return None
    parts, names = events.split, [ID + name for name in config.split.key]
    held = (parts.train, parts.validation, parts.holdout)
    train, validation, holdout = (len(np.unique(events.groups[rows])) for rows in held)
    key = ", ".join(config.split.key)
    said = (
        f"{train + validation + holdout} groups by {key}: {train} in training, {validation} in "
        f"validation, {holdout} in the hold-out"
    )
    table = _read_table(events.file, names)
    missing = np.logical_and.reduce([np.asarray(table[name].is_null()) for name in names])
    alone = int(missing.sum())
    return said + (f"; {alone} rows have no {key}: each is a group of its own" if alone else "")


def draw_of(config: Config) -> Draw:
    """How the configuration splits rows."""
    section, gap = config.split, config.split.gap
    return Draw(
        config.split_by,
        section.validation,
        section.holdout,
        config.train.seed,
        gap=int(gap.total_seconds() * 1_000_000) if gap else 0,
    )


def problem_of(config: Config, events: Events, features: tuple[Feature, ...]) -> Problem:
    """What is learned of `events`, with `features` whose categories are frozen.

    Raises `UsageError` for a direction in what is no number, or of more than two classes.
    """
    return Problem(
        task=config.task,
        features=features,
        classes=len(events.plan.classes or ()),
        metric=config.metric,
        seed=config.train.seed,
        fixed=config.train.params,
        monotone=directions(config.train.monotone, features, config.task),
        root=events.root,
        weighted=events.weights is not None,
    )


def _read_table(file: Path, names: Sequence[str] | None) -> pa.Table:
    try:
        with pq.ParquetFile(file) as parquet:
            return parquet.read(columns=None if names is None else list(names))
    except (OSError, pa.ArrowException) as e:
        raise DataError(f"{FEATURES_TABLE}: {str(e)[:300]}", hint="mlops featurize") from e


def _groups(file: Path, key: Sequence[str]) -> Rows | None:
    names = [ID + name for name in key]
    table = _read_table(file, names)
    return codes_of(table, names) if set(names) <= set(table.column_names) else None


def _run(rows: Rows) -> slice | None:
    """Ascending positions without a gap, as a slice."""
    if len(rows) and rows[-1] - rows[0] + 1 == len(rows):
        return slice(int(rows[0]), int(rows[-1]) + 1)
    return None


def _read_plan(path: Path) -> FeaturePlan:
    try:
        return msgspec.json.decode(path.read_bytes(), type=FeaturePlan)
    except (OSError, msgspec.DecodeError) as e:
        raise DataError(f"{path.name}: {str(e)[:300]}", hint="mlops featurize") from e


def _target(column: pa.ChunkedArray, plan: FeaturePlan) -> NDArray[np.float64]:
    if plan.classes is None:
        values = np.asarray(column.cast(pa.float64()).to_numpy(), dtype=np.float64)
        sound = np.abs(values) <= np.finfo(np.float32).max
        if not sound.all():
            raise DataError(
                f"the target {plan.target.name!r} is NaN, infinite or beyond a 32-bit float in "
                f"{int((~sound).sum())} rows",
                hint="hold it to a range in the contract, or leave such rows out in data.target",
            )
        if len(values) and (values == values[0]).all():
            raise DataError(
                f"the target {plan.target.name!r} is {values[0]:g} in every row that is left: "
                "there is nothing to predict",
                hint="check data.target in mlops.yaml, and data/rejected.parquet",
            )
        return values
    codes = pc.index_in(column, value_set=_value_set(plan.classes, column.type))
    if codes.null_count:
        raise DataError(
            f"the target {plan.target.name!r} has values that are none of its classes",
            hint="mlops featurize",
        )
    return np.asarray(codes.to_numpy(), dtype=np.float64)


def _moments(table: pa.Table) -> NDArray[np.int64] | None:
    if TIME not in table.column_names:
        return None
    return np.asarray(table[TIME].cast(pa.timestamp("us")).cast(pa.int64()).to_numpy())


def _value_set(classes: tuple[ClassLabel, ...], kind: pa.DataType) -> pa.Array:
    return pa.array(list(classes)).cast(kind)
