"""The types in which the columns of a scored file go on to a file of another form."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

from mlops_cli.bundle.manifest import Input
from mlops_cli.expressions.tree import ValueType
from mlops_cli.tables.base import DURATION, MISSING, Engine, literal, quote

_SPELLED = re.compile(rf"TIME(_NS)?$|{DURATION}")
# Digits that a number of 64 bits gives back: no leading zeros (a code), no more than 15 digits.
_WHOLE = r"-?(0|[1-9]\d{0,17})"
_NUMBER = r"-?(0|[1-9]\d{0,14})(\.\d{1,15})?([eE][+-]?\d{1,3})?|[+-]?([iI]nf(inity)?)"


def own_types(engine: Engine, source: Path, inputs: Sequence[Input]) -> dict[str, ValueType]:
    """A type for each column of the CSV file `source`.

    The model's inputs have theirs. Another column is what it looks like throughout, but text where
    a number would lose something: the zeros of 00123, or the last digits of a long identifier.
    """
    looks: dict[str, ValueType] = {c.name: c.type or "text" for c in engine.columns(source)}
    known = {i.name: i.type for i in inputs if i.name in looks}
    numbers = [n for n, t in looks.items() if t in ("integer", "float") and n not in known]
    text: ValueType = "text"
    return looks | dict.fromkeys(_lossy(engine, source, looks, numbers), text) | known


def spelled_types(engine: Engine, source: Path) -> dict[str, ValueType]:
    """The columns of the Parquet file `source` that CSV has to have as the engine reads them.

    Arrow spells times of day and durations otherwise: scored again, they would be other values.
    """
    return {c.name: c.type for c in engine.columns(source) if c.type and _SPELLED.match(c.native)}


def _lossy(
    engine: Engine, source: Path, looks: dict[str, ValueType], numbers: Sequence[str]
) -> list[str]:
    if not numbers:
        return []
    words = ", ".join(map(literal, MISSING))
    cells = ", ".join(
        f"bool_and({quote(n)} in ({words}) or regexp_full_match({quote(n)}, "
        f"{literal(_WHOLE if looks[n] == 'integer' else _NUMBER)}))"
        for n in numbers
    )
    kept = engine.rows(f"select {cells} from {engine.raw(source)}")[0]
    return [n for n, keeps in zip(numbers, kept, strict=True) if keeps is False]
