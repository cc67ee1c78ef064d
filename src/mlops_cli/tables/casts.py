"""SQL (DuckDB's dialect) from a column as a file has it to a value of its type."""

from __future__ import annotations

from mlops_cli.expressions.decimal_comma import GAPS, PATTERN
from mlops_cli.expressions.moments import EPOCHS, ISO, RANGE, pattern
from mlops_cli.expressions.tree import ValueType
from mlops_cli.expressions.values import missing_words
from mlops_cli.tables.base import DURATION, ColumnForm, is_nan, literal, quote
from mlops_cli.tables.durations import seconds

_SQL_TYPES: dict[ValueType, str] = {
    "integer": "BIGINT",
    "float": "DOUBLE",
    "boolean": "BOOLEAN",
    "date": "DATE",
    "timestamp": "TIMESTAMP",
    "text": "VARCHAR",
}
_NUMERIC = ("BIGINT", "INTEGER", "SMALLINT", "TINYINT", "UBIGINT", "UINTEGER", "DOUBLE", "FLOAT")


def cast_sql(name: str, native: str, form: ColumnForm) -> str:
    """The column `name` of the engine's type `native` as a value of its form; null where not."""
    column, to = quote(name), form.type
    target = _SQL_TYPES[to]
    if native.startswith(DURATION):
        return _in_seconds(column, native)
    if to == "text" and (form.missing or native == target):
        text = column if native == target else f"cast({column} as varchar)"
        words = _words(missing_words(to, form.missing))
        return f"case when {text} not in ({words}) then {text} end"
    if form.format and to in ("integer", "float"):
        # A table of real numbers is read as it stands.
        column = _with_point(column) if native == "VARCHAR" else column
    elif form.format and (native == "VARCHAR" or native in _NUMERIC):
        return _by_format(column, native, form)
    if native == target:
        return column
    if to == "timestamp" and (_is_zoned(native) or not native.startswith("TIMESTAMP")):
        return _moment(column, native)
    if to == "integer" and native not in ("DOUBLE", "FLOAT"):
        return f"try_cast({column} as {target})" if native != "VARCHAR" else _whole(column)
    if to == "integer":
        return f"case when {column} = trunc({column}) then try_cast({column} as bigint) end"
    if to == "date" and native in _NUMERIC:
        return "null::date"  # the engine knows no such cast
    # A cast that is all that a query asks of a column is handed to the reader of CSV, which then
    # ends at the first value that is none; of an expression it is not.
    value = f"nullif({column}, '')" if native == "VARCHAR" else column
    return f"try_cast({value} as {target})"


def source_sql(name: str, native: str, form: ColumnForm) -> str:
    """The same as the file has it; null for what stands for a missing value."""
    column = quote(name)
    if native.startswith(DURATION):
        return _in_seconds(column, native)
    if native == "VARCHAR":
        words = _words(missing_words(form.type, form.missing))
        return f"case when {column} not in ({words}) then {column} end"
    if native in ("DOUBLE", "FLOAT"):
        return f"case when {is_nan(column)} then null else {column} end"
    return column


def _words(words: tuple[str, ...]) -> str:
    return ", ".join(map(literal, words))


def _is_zoned(native: str) -> bool:
    return native.endswith("ZONE") or native.startswith("TIMESTAMPTZ")


def _moment(column: str, native: str) -> str:
    # A plain cast of text to TIMESTAMP drops the offset; this one heeds it.
    if native in _NUMERIC:
        return "null::timestamp"
    return f"(try_cast({column} as timestamptz) at time zone 'UTC')"


def _with_point(column: str) -> str:
    """The text of a number with a decimal comma as SQL reads it; null for what is no number."""
    bare = f"translate({column}, {literal(',' + GAPS)}, '.')"
    return f"(case when regexp_full_match({column}, {literal(PATTERN)}) then {bare} end)"


def _by_format(column: str, native: str, form: ColumnForm) -> str:
    """By the column's own format, or else as ISO 8601."""
    size = EPOCHS.get(form.format or "")
    if size is not None:
        low, high = RANGE
        micros = f"floor(try_cast({column} as double) * {size!r})"
        read = f"case when {micros} between {low} and {high} then make_timestamp({micros}::bigint)"
    else:
        text = column
        if native != "VARCHAR":
            text = f"cast(try_cast({column} as bigint) as varchar)"
        fits = f"regexp_full_match({text}, {literal(pattern(form.format or ''))})"
        read = f"case when {fits} then try_strptime({text}, {literal(form.format or '')})"
    iso = ""
    if native == "VARCHAR":
        looks_so = f"regexp_full_match({column}, {literal(ISO + '.*')})"
        iso = f" when {looks_so} then {_moment(column, native)}"
    return f"cast({read}{iso} end as {_SQL_TYPES[form.type]})"


def _in_seconds(column: str, native: str) -> str:
    return str(seconds(column, native.removeprefix(DURATION)))


def _whole(column: str) -> str:
    # DuckDB rounds '5.7' to 6; text that is not a whole number is no integer.
    as_double = f"try_cast({column} as double)"
    return f"case when {as_double} = trunc({as_double}) then try_cast({column} as bigint) end"
