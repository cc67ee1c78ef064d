"""Which columns of a table are a model's features, and what inputs they make."""

from __future__ import annotations

import difflib
import re
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from mlops_cli.bundle.manifest import Feature, Input
from mlops_cli.contracts.model import Contract
from mlops_cli.errors import DataError
from mlops_cli.expressions.tree import FeatureTree, Node
from mlops_cli.importing.base import Original
from mlops_cli.tables.base import ColumnForm
from mlops_cli.tables.matrix import encode
from mlops_cli.training.tree_splits import Numbers

_GENERIC = re.compile(r"(f|x|Column_|feature_?|float_input)\d*", re.I)


@dataclass(frozen=True, slots=True)
class Columns:
    """A model's inputs, features and trees, in the model's order; `by_order`: matched so."""

    inputs: tuple[Input, ...]
    features: tuple[Feature, ...]
    by_order: bool

    @property
    def names(self) -> tuple[str, ...]:
        """The columns' names, which are the features'."""
        return tuple(i.name for i in self.inputs)

    @property
    def trees(self) -> tuple[FeatureTree, ...]:
        """Each feature is its column as it stands."""
        return tuple(FeatureTree(i.name, Node("column", i.type, value=i.name)) for i in self.inputs)

    @property
    def forms(self) -> dict[str, ColumnForm]:
        """How a table writes the inputs."""
        return {i.name: ColumnForm(i.type, i.missing, i.format) for i in self.inputs}


def match(
    original: Original, names: Sequence[str] | None, contract: Contract, left_out: Sequence[str]
) -> Columns:
    """The columns of a table, described by `contract`, that the model's features are.

    By the model's own names, or `names`, else by their order, `left_out` (the target) not counted.
    Raises `DataError` for a feature without a column, and for one whose type the model cannot take.
    """
    columns = [name for name in contract.columns if name not in left_out]
    found, by_order = _matched(original, original.names or names, columns)
    inputs, features = [], []
    for j, name in enumerate(found):
        texts = original.categories.get(j)
        _check(name, contract.columns[name].type, texts, coded=j in original.coded)
        form = contract.columns[name]
        inputs.append(
            Input(
                name=name,
                type=form.type,
                nullable=original.missing,
                categories=texts,
                source="event",
                missing=form.missing,
                format=form.format,
            )
        )
        features.append(Feature(name, "numeric" if texts is None else "category", texts))
    return Columns(tuple(inputs), tuple(features), by_order)


def _matched(
    original: Original, names: Sequence[str] | None, columns: Sequence[str]
) -> tuple[list[str], bool]:
    if names is not None and len(names) == original.width:
        known = {name.replace(" ", "_"): name for name in columns} | {n: n for n in columns}
        if all(name in known for name in names):
            return [known[name] for name in names], False
        if not all(_GENERIC.fullmatch(name) for name in names):
            raise _lacking(next(name for name in names if name not in known), columns)
    if len(columns) != original.width:
        raise DataError(
            f"the model names none of its {original.width} features, and the data has "
            f"{len(columns)} columns that could be: {', '.join(columns)[:300]}",
            hint="give a file that holds just these columns, in the model's order, and say which "
            "column is the target: --target COLUMN",
        )
    return list(columns), True


def _lacking(name: str, columns: Sequence[str]) -> DataError:
    near = difflib.get_close_matches(name, columns, n=1)
    hint = f"did you mean `{near[0]}`? Rename the column" if near else "give a file that has it"
    return DataError(f"the data has no column `{name}`, which the model takes", hint=hint)


def _check(name: str, kind: str, texts: Sequence[str] | None, *, coded: bool) -> None:
    if (kind == "text") == (texts is not None):
        if kind in ("date", "timestamp"):
            raise DataError(
                f"the column `{name}` is a {kind}, and the model takes numbers",
                hint="give the data as the model got it, with the number that was made of it",
            )
        return
    if texts is not None:
        raise DataError(
            f"the column `{name}` is {kind}, and the model takes texts such as {texts[0]!r}",
            hint="give the data with the texts that the model was trained on",
        )
    why = (
        "was trained on codes, and its file does not say of which texts"
        if coded
        else ("takes a number")
    )
    raise DataError(
        f"the column `{name}` is text, and the model {why}",
        hint="give the data as the model got it: with numbers in that column",
    )


def matrix_of(table: pa.Table, columns: Columns) -> Numbers:
    """The features of a table's rows as float64 (n, f), codes for texts; missing is NaN.

    What float32 cannot hold is missing, as it is wherever a bundle is served.
    """
    made = encode(table, columns.features).astype(np.float64)
    for j, feature in enumerate(columns.features):
        if feature.kind == "numeric":
            wide = table[feature.name].cast(pa.float64(), safe=False)
            values = np.array(wide.to_numpy(), np.float64)
            made[:, j] = np.where(np.isnan(made[:, j]), np.nan, values)
    return made
