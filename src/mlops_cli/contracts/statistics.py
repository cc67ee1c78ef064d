"""What a file holds, column by column: the figures that a first contract is inferred from."""

from __future__ import annotations

import math
import re
from collections.abc import Container, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date
from pathlib import Path

from mlops_cli.contracts.forms import Remark, form_of_whole_numbers, moment_form, read_forms
from mlops_cli.errors import DataError
from mlops_cli.expressions.tree import ValueType
from mlops_cli.tables.base import SOURCE, ColumnForm, Engine, in_groups, is_nan, quote

_CELLS = 8  # figures of a column
_GROUP = 32  # columns of one scan
_NAMES_A_MOMENT = re.compile(
    r"time|date|stamp|epoch|moment|created|updated|modified|(^|_)(at|on|ts|ms|when|seen)($|_)", re.I
)
_COUNTED = 2000  # up to here distinct values are counted: every limit but those by rows is lower
_NAMES = 0.7  # of a column's values: from here on it may name the rows
_RARE = 0.1  # of a text's values: from here on each may be too rare


@dataclass(frozen=True, slots=True)
class ColumnStatistics:
    """One column; nulls count NaN too.

    `distinct` is exact wherever something may hang on it: up to some thousand, and for names of
    rows (text, whole numbers) near the number of rows; otherwise it is off by some percent
    (HyperLogLog).

    `low` and `high` are the smallest and greatest finite value of a number, else None;
    `infinite_low` and `infinite_high` say whether infinities occur, `whole` whether every finite
    number is a whole one.
    """

    name: str
    type: ValueType
    nulls: int
    distinct: int
    low: float | None = None
    high: float | None = None
    infinite_low: bool = False
    infinite_high: bool = False
    whole: bool = False


@dataclass(frozen=True, slots=True)
class TableStatistics:
    """A file's rows and columns (those with a scalar type), in the file's order.

    `forms` are how the columns are written, `remarks` what is to be said of that.
    """

    rows: int
    columns: Mapping[str, ColumnStatistics]
    skipped: tuple[str, ...]
    forms: Mapping[str, ColumnForm]
    remarks: tuple[Remark, ...] = ()

    @property
    def types(self) -> dict[str, ValueType]:
        """Column name to value type."""
        return {name: column.type for name, column in self.columns.items()}


def read_statistics(
    engine: Engine,
    path: Path,
    *,
    times: Sequence[str] = (),
    formats: Mapping[str, str] | None = None,
) -> TableStatistics:
    """Read a file's statistics in one scan, and further ones of columns that need a closer look.

    Types and forms are guessed by `read_forms`; a column in `times` has to be a moment, one in
    `formats` is of that format. Raises `DataError` for a file that cannot be read or has no rows,
    or whose column in `times` or `formats` holds something else.
    """
    columns = engine.columns(path)
    skipped = tuple(c.name for c in columns if not c.type)
    if len(skipped) == len(columns):
        raise DataError(f"{path.name} has no columns of plain values", hint="is it a flat table?")
    guessed = read_forms(engine, path, columns, times=times, formats=formats or {})
    forms, remarks = dict(guessed.of), list(guessed.remarks)
    rows, found, uncast = _scan(engine, path, forms)
    numbers = _moments_as_numbers(found, forms, set(times), remarks)
    wanted = {name: _as_moment(forms[name]) for name in times if name in forms}
    again = numbers | {n: f for n, f in wanted.items() if n not in numbers and f != forms[n]}
    for name, count in uncast.items():
        if count and name not in again:
            again[name] = _otherwise(path, forms[name], (name, count, rows), times, formats or {})
            remarks = [r for r in remarks if r.column != name]
            remarks += _taken_back(name, forms[name], count, rows)
    if again:
        forms |= again
        _, other, wrong = _scan(engine, path, again)
        for name in (n for n in times if wrong.get(n)):
            doubt = next((r.text for r in guessed.remarks if r.column == name and r.doubt), "")
            raise _no_time(path, name, wrong[name], rows, doubt)
        for name in (n for n in numbers if wrong[n]):  # a number that is no day of any calendar
            forms[name], other[name] = guessed.of[name], found[name]
            remarks = [r for r in remarks if r.column != name]
        found |= other
    found |= _counted(engine, path, forms, found, rows)
    ordered = {name: found[name] for name in forms}
    return TableStatistics(rows, ordered, skipped, forms, tuple(remarks))


def names_a_moment(column: str) -> bool:
    """Whether a column's name speaks of a time."""
    return bool(_NAMES_A_MOMENT.search(column))


def _as_moment(form: ColumnForm) -> ColumnForm:
    return replace(form, type="timestamp")


def _moments_as_numbers(
    found: Mapping[str, ColumnStatistics],
    forms: Mapping[str, ColumnForm],
    times: Container[str],
    remarks: list[Remark],
) -> dict[str, ColumnForm]:
    """Whole numbers that are moments: 20240131, or what has passed since 1970."""
    read: dict[str, ColumnForm] = {}
    for name, column in found.items():
        if not column.whole or column.low is None or column.high is None:
            continue
        for written, sure in form_of_whole_numbers(column.low, column.high):
            # A number of 13 digits is a moment, or any number of an article or an account.
            told = written != "epoch_ms" or names_a_moment(name)
            if (sure and told) or name in times:
                form = moment_form(written, is_time=name in times)
                read[name] = replace(form, missing=forms[name].missing)
                text = f"a {form.type} as {written}: {column.low:.0f} to {column.high:.0f}"
                remarks.append(Remark(name, text))
            else:
                remarks.append(Remark(name, _may_be(name, written, column), doubt=True))
            break
    return read


def _may_be(name: str, written: str, column: ColumnStatistics) -> str:
    return (
        f"{name} is a number from {column.low:.0f} to {column.high:.0f}, which may be a moment: "
        f"if so, say --date-format '{name}={written}'"
    )


def _otherwise(
    path: Path,
    form: ColumnForm,
    counts: tuple[str, int, int],
    times: Container[str],
    formats: Container[str],
) -> ColumnForm:
    """The form of a column that is not what it seemed: a number beyond 64 bits, or text."""
    name, wrong, rows = counts
    if name in times or name in formats:
        raise _no_time(path, name, wrong, rows)
    if form.type == "integer":
        return replace(form, type="float")
    return ColumnForm("text")


def _taken_back(name: str, form: ColumnForm, wrong: int, rows: int) -> Iterator[Remark]:
    if form.type == "integer":
        return
    was = f"{form.type}s as {form.format or 'ISO 8601'}"
    if form.type == "float":
        was = "numbers with a decimal comma" if form.format else "numbers"
    text = f"{name} is text: it begins as {was}, but {wrong} of its {rows} values are none"
    yield Remark(name, text, doubt=True)


def _scan(
    engine: Engine, path: Path, forms: Mapping[str, ColumnForm]
) -> tuple[int, dict[str, ColumnStatistics], dict[str, int]]:
    """The number of rows, the columns, and how many values of each cannot be cast."""
    found, uncast = dict[str, ColumnStatistics](), dict[str, int]()
    groups = [dict(group) for group in in_groups(list(forms.items()), _GROUP)]
    answers = engine.rows_of_each([_scan_sql(engine, path, group) for group in groups])
    rows = int(answers[0][0][0])
    for group, ((_, *values),) in zip(groups, answers, strict=True):
        for i, (name, form) in enumerate(group.items()):
            nulls, distinct, low, high, *rest, uncast[name] = values[_CELLS * i : _CELLS * (i + 1)]
            found[name] = ColumnStatistics(
                name, form.type, nulls, distinct, _finite(low), _finite(high), *rest
            )
    if not rows:
        raise DataError(f"{path.name} has no rows", hint="a table needs at least a header and rows")
    return rows, found, uncast


def _scan_sql(engine: Engine, path: Path, forms: Mapping[str, ColumnForm]) -> str:
    cells = ["count(*)"]
    for name, form in forms.items():
        cells += _cells(name, form.type)
    return f"select {', '.join(cells)} from {engine.typed_with_source(path, forms)}"


def _cells(name: str, kind: ValueType) -> list[str]:
    # No FILTER: DuckDB holds a copy of all columns for each, which is quadratic in the columns.
    typed, source = quote(name), quote(SOURCE + name)
    missing = f"{typed} is null or {is_nan(typed)}" if kind == "float" else f"{typed} is null"
    low = high = "null"
    infinite_low = infinite_high = "0"
    whole = "true" if kind == "integer" else "false"
    if kind in ("integer", "float"):
        finite = f"case when isfinite({typed}) then {typed} end" if kind == "float" else typed
        low, high = f"min({finite})", f"max({finite})"
    if kind == "float":
        infinite_low = f"count_if({typed} = '-inf'::double)"
        infinite_high = f"count_if({typed} = 'inf'::double)"
        whole = f"bool_and({finite} = trunc({finite}))"
    return [
        f"count_if({missing})",
        f"approx_count_distinct({typed})",
        low,
        high,
        f"{infinite_low} > 0",
        f"{infinite_high} > 0",
        f"coalesce({whole}, false)",
        f"count_if({typed} is null and {source} is not null)",
    ]


def _counted(
    engine: Engine,
    path: Path,
    forms: Mapping[str, ColumnForm],
    found: Mapping[str, ColumnStatistics],
    rows: int,
) -> dict[str, ColumnStatistics]:
    """The columns whose distinct values have to be counted, with their exact number."""
    near = [name for name, column in found.items() if _is_near(column, rows - column.nulls)]
    exact: dict[str, ColumnStatistics] = {}
    for group in in_groups(near, _CELLS):
        relation = engine.typed(path, {name: forms[name] for name in group})
        cells = ", ".join(f"count(distinct {quote(name)})" for name in group)
        counts = engine.rows(f"select {cells} from {relation}")[0]
        exact |= {n: replace(found[n], distinct=c) for n, c in zip(group, counts, strict=True)}
    return exact


def _is_near(column: ColumnStatistics, present: int) -> bool:
    if column.distinct <= _COUNTED:
        return True
    share = _RARE if column.type == "text" else _NAMES
    names = column.type in ("text", "integer", "date", "timestamp") or column.whole
    return names and column.distinct >= share * present


def _no_time(path: Path, name: str, wrong: int, rows: int, doubt: str = "") -> DataError:
    if doubt:
        return DataError(f"{path.name}: {doubt}", hint="the same option, with the one it is")
    return DataError(
        f"the column {name!r} of {path.name} is to be a time, but {wrong} of its {rows} values "
        "are not ISO 8601, nor of one other format that is known",
        hint=f"say how it is written: --date-format '{name}=%d/%m/%Y %H:%M' (strptime's codes, or "
        "epoch_s, epoch_ms), write times as 2013-01-31T05:00:00Z, or name another column",
    )


def _finite(value: float | date | None) -> float | None:
    if not isinstance(value, int | float) or not math.isfinite(value):
        return None
    return value
