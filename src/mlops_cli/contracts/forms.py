"""How a file writes its columns: words for a missing value, dates that are not ISO 8601."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from mlops_cli.expressions.decimal_comma import DECIMAL_COMMA, GAPS, with_point
from mlops_cli.expressions.moments import has_clock, reader
from mlops_cli.expressions.tree import ValueType
from mlops_cli.expressions.values import MISSING
from mlops_cli.tables.base import (
    SOURCE,
    Column,
    ColumnForm,
    Engine,
    in_groups,
    literal,
    quote,
)

WORDS = (*filter(None, MISSING), "<NA>", "#NA", "-", "--", ".", "none", "NONE")
"""What may stand for a missing value in a column of text."""
_BESIDE_NUMBERS = ("missing", "unknown", "n.a.", "na", "nil", "none", "null", "nan", "-", "--", ".")
_HEAD = 1000  # rows that tell what a text looks like
_GROUP = 32  # columns of one scan
_DAYS = (
    *("%m/%d/%Y", "%d/%m/%Y", "%Y/%m/%d", "%d.%m.%Y", "%m-%d-%Y", "%d-%m-%Y", "%Y%m%d"),
    *("%b %d %Y", "%b %d, %Y", "%B %d %Y", "%B %d, %Y", "%d %b %Y", "%d-%b-%Y", "%d %B %Y"),
    *("%m/%d/%y", "%d/%m/%y", "%d.%m.%y", "%d-%b-%y", "%Y.%m.%d"),
)
_CLOCKS = ("", " %H:%M", " %H:%M:%S", " %I:%M %p", " %I:%M:%S %p")
FORMATS = tuple(day + clock for clock in _CLOCKS for day in _DAYS)
_ISO_MOMENT = re.compile(r"\d{4}-\d{2}-\d{2}[T ]\d{2}:\d{2}.*", re.ASCII | re.S)
_ISO_DATE = re.compile(r"\d{4}-\d{2}-\d{2}", re.ASCII)
_TRUTHS = ("true", "false")
_THREE_DIGITS = re.compile(r"[+-]?[1-9]\d{0,2},\d{3}", re.ASCII)  # 1,234: 1.234 or 1234
_THOUSANDS = "a number whose points part thousands, since others have a decimal comma"
_NUMBER = re.compile(r"[+-]?(?:0|[1-9]\d*)?(?:\.\d*)?(?:[eE][+-]?\d+)?", re.ASCII)


@dataclass(frozen=True, slots=True)
class Remark:
    """Something about how a column is written that its user should know; `doubt`: no decision."""

    column: str
    text: str
    doubt: bool = False


@dataclass(frozen=True, slots=True)
class Forms:
    """Each column's form, and what is to be said of it; a form that does not hold is taken back."""

    of: dict[str, ColumnForm]
    remarks: tuple[Remark, ...] = field(default=())


def read_forms(
    engine: Engine,
    path: Path,
    columns: Sequence[Column],
    *,
    times: Sequence[str],
    formats: Mapping[str, str],
) -> Forms:
    """Guess the form of every column of a plain type from its values.

    `formats` are given by the user, `times` name columns that have to be moments.
    """
    found = {c.name: ColumnForm(c.type) for c in columns if c.type}
    given = {n: moment_form(f, is_time=n in times) for n, f in formats.items() if n in found}
    remarks: list[Remark] = []
    written = _texts(engine, path)
    texts = [c for c in columns if c.name in found and c.name in written]
    seen = {n: v for g in in_groups(texts, _GROUP) for n, v in _seen(engine, path, g).items()}
    typed = {w for c in texts if c.type != "text" for w in seen[c.name].words}
    for column in texts:
        name = column.name
        if fitting := () if name in given else _formats(column, seen[name]):
            if len(fitting) > 1:
                fitting = _holding(engine, path, name, fitting) or fitting[:1]
            found[name], said = _of_format(name, fitting, seen[name].head[0], name in times)
        else:
            found[name], said = _form(column, seen[name], typed)
        remarks += [said] if said and name not in given else []
    if any(f.format == DECIMAL_COMMA for f in found.values()):
        for name in (c.name for c in texts if _has_thousands(c, seen[c.name])):
            if name not in given and found[name].format is None:
                found[name] = ColumnForm("float", found[name].missing, DECIMAL_COMMA)
                remarks = [r for r in remarks if r.column != name]
                remarks.append(Remark(name, _THOUSANDS))
    return Forms(found | given, tuple(remarks))


def _texts(engine: Engine, path: Path) -> set[str]:
    """The columns that stand as text in the file: of CSV all."""
    described = engine.rows(f"describe select * from {engine.raw(path)}")
    return {row[0] for row in described if row[1] == "VARCHAR"}


def _formats(column: Column, seen: _Seen) -> list[str]:
    kind = column.type or "text"
    if kind == "text" or (kind in ("date", "timestamp") and not _is_written_so(kind, seen.head)):
        return formats_of(seen.head)
    return []


def _holding(engine: Engine, path: Path, name: str, fitting: Sequence[str]) -> list[str]:
    """Of formats that the head is of those that the whole column is of."""
    kept = []
    for written in fitting:
        form = ColumnForm("timestamp", format=written)
        relation = engine.typed_with_source(path, {name: form})
        wrong = f"{quote(name)} is null and {quote(SOURCE + name)} is not null"
        if not engine.rows(f"select 1 from {relation} where {wrong} limit 1"):
            kept.append(written)
    return kept


@dataclass(frozen=True, slots=True)
class _Seen:
    """Values of the head, words for missing values of the whole column, without null."""

    head: tuple[str, ...]
    words: tuple[str, ...]


def _seen(engine: Engine, path: Path, columns: Sequence[Column]) -> dict[str, _Seen]:
    listed = ", ".join(map(literal, WORDS))
    texts = [f"cast({quote(c.name)} as varchar)" for c in columns]
    words = ", ".join(
        f"list_sort(list(distinct case when {t} in ({listed}) then {t} end))" for t in texts
    )
    heads = ", ".join(f"list_sort(list(distinct {t}))" for t in texts)
    (rare,) = engine.rows(f"select {words} from {engine.raw(path)}")
    (head,) = engine.rows(f"select {heads} from (select * from {engine.raw(path)} limit {_HEAD})")
    return {
        c.name: _Seen(
            tuple(v for v in values or () if v and v not in WORDS),
            tuple(w for w in found or () if w is not None),
        )
        for c, values, found in zip(columns, head, rare, strict=True)
    }


def _form(column: Column, seen: _Seen, typed: set[str]) -> tuple[ColumnForm, Remark | None]:
    kind, name = column.type or "text", column.name
    if kind in ("date", "timestamp", "boolean") and not _is_written_so(kind, seen.head):
        kind = "text"  # the engine reads more than ISO 8601, and yes and no for true and false
    if kind != "text":
        return ColumnForm(kind), None
    if seen.head and all(_ISO_MOMENT.fullmatch(v) for v in seen.head):
        return ColumnForm("timestamp"), None
    if seen.head and all(_ISO_DATE.fullmatch(v) for v in seen.head):
        return ColumnForm("date"), None
    return _of_text(name, seen, typed)


def _is_written_so(kind: ValueType, head: Sequence[str]) -> bool:
    if kind == "boolean":
        return all(v.lower() in _TRUTHS for v in head)
    return all(_ISO_DATE.match(v) for v in head)


def formats_of(values: Sequence[str]) -> list[str]:
    """The formats that all the texts are of."""
    if not values or not any(c.isdigit() for c in values[0]):
        return []
    fitting = [f for f in FORMATS if reader(f)(values[0])]
    return [f for f in fitting if all(map(reader(f), values))]


def _of_format(
    name: str, fitting: Sequence[str], example: str, is_time: bool
) -> tuple[ColumnForm, Remark | None]:
    first = fitting[0]
    kind = _type_of(first, is_time)
    if len(fitting) == 1:
        return ColumnForm(kind, format=first), Remark(name, f"a {kind} as {first}: {example!r}")
    choices = " or ".join(fitting[:2])
    doubt = (
        f"{name} holds dates such as {example!r}, which may be {choices}: it stays text until you "
        f"say which, --date-format '{name}={first}'"
    )
    return ColumnForm("text"), Remark(name, doubt, doubt=True)


def moment_form(written: str, *, is_time: bool) -> ColumnForm:
    """The form of dates of a format, or of moments where it tells the time or `is_time`."""
    return ColumnForm(_type_of(written, is_time), format=written)


def _type_of(written: str, is_time: bool) -> ValueType:
    return "timestamp" if is_time or has_clock(written) else "date"


def _of_text(name: str, seen: _Seen, typed: set[str]) -> tuple[ColumnForm, Remark | None]:
    odd = _beside(_is_number, seen)
    if odd:
        number = Remark(name, f"a number, missing where it is {', '.join(odd)}")
        return ColumnForm("float", missing=tuple(odd)), number
    odd = _beside(with_point, seen)
    if odd is not None and (commas := [v for v in seen.head if "," in v]):
        return _of_commas(name, commas, odd)
    missing = tuple(w for w in seen.words if not _is_a_value(w, seen.head, typed))
    kept = [w for w in seen.words if w not in missing]
    if kept:
        text = (
            f"{name}: {', '.join(kept)} is taken as a value, since others look like it; where it "
            f"means missing, write `missing: [{', '.join(kept)}]` beside it in the contract"
        )
        return ColumnForm("text", missing=missing), Remark(name, text, doubt=True)
    said = Remark(name, f"missing where it is {', '.join(missing)}") if missing else None
    return ColumnForm("text", missing=missing), said


def _beside(is_number: Callable[[str], object], seen: _Seen) -> list[str] | None:
    """What stands beside a column's numbers and means missing; None where it has other texts."""
    numbers = [v for v in seen.head if is_number(v)]
    odd = [*(v for v in seen.head if not is_number(v)), *seen.words]
    return odd if len(numbers) >= len(odd) and all(map(_is_beside_numbers, odd)) else None


def _of_commas(
    name: str, commas: Sequence[str], odd: Sequence[str]
) -> tuple[ColumnForm, Remark | None]:
    if all(map(_THREE_DIGITS.fullmatch, commas)):
        doubt = (
            f"{name} holds values such as {commas[0]!r}, which may have a decimal comma or "
            f"thousands: it stays text; where it is decimal, write `type: float` and "
            f"`format: {DECIMAL_COMMA}` beside it in the contract"
        )
        return ColumnForm("text"), Remark(name, doubt, doubt=True)
    missing = f", missing where it is {', '.join(odd)}" if odd else ""
    said = Remark(name, f"a number with a decimal comma{missing}")
    return ColumnForm("float", tuple(odd), DECIMAL_COMMA), said


def _has_thousands(column: Column, seen: _Seen) -> bool:
    """Whether all that a column's points can part is thousands, as 1.234 in Europe."""
    return (
        column.type in ("float", "text")
        and any(gap in v for v in seen.head for gap in GAPS)
        and all(map(with_point, seen.head))
    )


def _is_beside_numbers(text: str) -> bool:
    return text in WORDS or text.lower() in _BESIDE_NUMBERS


def _is_number(text: str) -> bool:
    return bool(_NUMBER.fullmatch(text)) and any(c.isdigit() for c in text)


def _is_a_value(word: str, others: Sequence[str], typed: set[str]) -> bool:
    """Whether a word that often means missing is one of a column's values, by what they are like.

    NA among codes of two letters is Namibia; None among names such as Bronze is one of them,
    unless the file's numbers are missing by the same word.
    """
    if word == "NA":
        return _most(others, r"[A-Z]{2}")
    if word.lower() == "none" and word not in typed:
        style = {"None": r"[A-Z][a-z]+( .*)?", "none": "[a-z]+( .*)?", "NONE": "[A-Z]+"}[word]
        return _most(others, style)
    if not any(c.isalnum() for c in word):
        return any(not any(c.isalnum() for c in other) for other in others)
    return False


def _most(texts: Sequence[str], form: str) -> bool:
    return 2 * sum(bool(re.fullmatch(form, t)) for t in texts) > len(texts)


def form_of_whole_numbers(low: float, high: float) -> Iterator[tuple[str, bool]]:
    """The formats that whole numbers between `low` and `high` may be; whether nothing else is."""
    if low >= 19_000_101 and high <= 21_001_231:
        yield "%Y%m%d", True
    if low >= 190_001_010_000 and high <= 210_012_312_359:
        yield "%Y%m%d%H%M", True
    if low >= 19_000_101_000_000 and high <= 21_001_231_235_959:
        yield "%Y%m%d%H%M%S", True
    if low >= 946_684_800_000 and high <= 2_050_000_000_000:
        yield "epoch_ms", True
    if low >= 946_684_800 and high <= 2_050_000_000:
        yield "epoch_s", False
