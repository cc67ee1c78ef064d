"""The types in which the columns of a scored file go on to a file of another form."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

from mlops_cli.bundle.manifest import Input
from mlops_cli.contracts.forms import read_forms
from mlops_cli.expressions.tree import ValueType
from mlops_cli.expressions.values import MISSING
from mlops_cli.features.raw_table import input_form
from mlops_cli.tables.base import DURATION, ColumnForm, Engine, literal, quote

_SPELLED = re.compile(rf"TIME(_NS)?$|{DURATION}")
# Digits that a number of 64 bits gives back: no leading zeros (a code), no more than 15 digits.
_WHOLE = r"-?(0|[1-9]\d{0,17})"
_NUMBER = r"-?(0|[1-9]\d{0,14})(\.\d{1,15})?([eE][+-]?\d{1,3})?|[+-]?([iI]nf(inity)?)"


def own_forms(engine: Engine, source: Path, inputs: Sequence[Input]) -> dict[str, ColumnForm]:
    """A type and form for each column of the CSV file `source`.

    The model's inputs have theirs. Another column is what it looks like throughout, but text where
    a number would lose something: the zeros of 00123, or the last digits of a long identifier.
    """
    columns = engine.columns(source)
    looks = read_forms(engine, source, columns, times=(), formats={}).of
    looks = {n: ColumnForm("text" if f.missing or f.format else f.type) for n, f in looks.items()}
    known = {i.name: _unchanged(input_form(i)) for i in inputs if i.name in looks}
    numbers = [n for n, f in looks.items() if f.type in ("integer", "float") and n not in known]
    return looks | dict.fromkeys(_lossy(engine, source, looks, numbers), ColumnForm("text")) | known


def _unchanged(form: ColumnForm) -> ColumnForm:
    """A text stays as it is, also where it stands for a missing value."""
    return ColumnForm("text") if form.type == "text" else form


def spelled_types(engine: Engine, source: Path) -> dict[str, ValueType]:
    """The columns of the Parquet file `source` that CSV has to have as the engine reads them.

    Arrow spells times of day and durations otherwise: scored again, they would be other values.
    """
    return {c.name: c.type for c in engine.columns(source) if c.type and _SPELLED.match(c.native)}


def _lossy(
    engine: Engine, source: Path, looks: dict[str, ColumnForm], numbers: Sequence[str]
) -> list[str]:
    if not numbers:
        return []
    words = ", ".join(map(literal, MISSING))
    cells = ", ".join(
        f"bool_and({quote(n)} in ({words}) or regexp_full_match({quote(n)}, "
        f"{literal(_WHOLE if looks[n].type == 'integer' else _NUMBER)}))"
        for n in numbers
    )
    kept = engine.rows(f"select {cells} from {engine.raw(source)}")[0]
    return [n for n, keeps in zip(numbers, kept, strict=True) if keeps is False]
