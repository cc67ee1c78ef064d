"""Cast a pandas column as the engine casts a file's column: what cannot be cast is missing."""

from __future__ import annotations

import re
from collections.abc import Callable

import numpy as np
import pandas as pd

from mlops_cli.expressions.decimal_comma import DECIMAL_COMMA, with_point
from mlops_cli.expressions.moments import ISO, reader
from mlops_cli.expressions.tree import ValueType
from mlops_cli.expressions.values import missing_words
from mlops_cli.tables.base import ColumnForm

_INT64 = 2.0**63
_TRUE, _FALSE = ("true", "t", "yes", "y", "1"), ("false", "f", "no", "n", "0")


def cast_series(series: pd.Series, form: ColumnForm) -> tuple[pd.Series, pd.Series]:
    """The series in the form's type, of the same index, and which of its values cannot be cast.

    Whole numbers are Int64, numbers float64, truths boolean, texts object, moments naive UTC.
    A NaN is missing, not uncastable, and so is a text that stands for a missing value. A duration
    is a float, its seconds, and nothing else.
    """
    kind, series = form.type, _settled(series)
    if pd.api.types.is_timedelta64_dtype(series.dtype):
        return _from_durations(series, kind)
    if _is_text(series):
        words = missing_words(kind, form.missing)
        series = series.astype("object").mask(series.isin(words).astype(bool), None)
    typed = _CASTS[kind](series if form.format is None else _by_format(series, form.format))
    uncastable = series.notna() & typed.isna()
    return typed, uncastable & ~_says_nan(series) if kind == "float" else uncastable


def _by_format(series: pd.Series, written: str) -> pd.Series:
    """Values of the format as moments; what is none of them is left to be read as ISO 8601.

    Numbers with a decimal comma become such with a point.
    """
    if written == DECIMAL_COMMA:
        return series if not _is_text(series) else series.map(_with_point)
    if pd.api.types.is_datetime64_any_dtype(series.dtype):
        return series
    read = reader(written)
    plain = series.astype("object").where(series.notna(), None)
    return plain.map(lambda v: None if v is None else (read(_python(v)) or _iso(v)))


def _with_point(value: object) -> object:
    return (with_point(value) or "?") if isinstance(value, str) else value


def _python(value: object) -> object:
    return value.item() if isinstance(value, np.generic) else value


def _iso(value: object) -> object:
    """What is not of the format is ISO 8601 or no moment, whatever pandas makes of it."""
    return value if isinstance(value, str) and re.match(ISO, value) else "?"


def _from_durations(series: pd.Series, kind: ValueType) -> tuple[pd.Series, pd.Series]:
    if kind == "float":
        return series.dt.total_seconds(), pd.Series(False, index=series.index)
    return pd.Series(None, index=series.index, dtype="object"), series.notna()


def _settled(series: pd.Series) -> pd.Series:
    """A column of Python objects of one type gets that type."""
    if series.dtype != object:
        return series
    inferred = pd.api.types.infer_dtype(series, skipna=True)
    if inferred == "boolean":
        return series.astype("boolean")
    if inferred == "integer":
        return series.astype("Int64")
    if inferred in ("timedelta", "timedelta64"):
        return pd.to_timedelta(series)
    return series.astype("float64") if inferred == "floating" else series


def _says_nan(series: pd.Series) -> pd.Series:
    if not _is_text(series):
        return pd.Series(False, index=series.index)
    return series.astype("object").map(_is_nan_text).astype(bool)


def _is_nan_text(value: object) -> bool:
    return isinstance(value, str) and value.strip().lower() in ("nan", "+nan", "-nan")


def _to_float(series: pd.Series) -> pd.Series:
    if pd.api.types.is_bool_dtype(series.dtype) or not _is_text(series):
        return series.astype("Float64").astype("float64")
    number: pd.Series = pd.to_numeric(series.astype("object"), errors="coerce")
    return number.astype("float64")


def _to_integer(series: pd.Series) -> pd.Series:
    if pd.api.types.is_integer_dtype(series.dtype) or pd.api.types.is_bool_dtype(series.dtype):
        return series.astype("Int64")
    number = _to_float(series)
    whole = np.isfinite(number) & (number == np.trunc(number)) & (number.abs() < _INT64)
    result = pd.Series(pd.NA, index=series.index, dtype="Int64")
    # Text is read anew: a float64 cannot hold every whole number of 64 bits.
    source = series[whole].map(_exact_int) if _is_text(series) else number[whole]
    result[whole] = source.astype("Int64")
    return result


def _exact_int(text: str) -> int:
    try:
        return int(text)
    except ValueError:
        return int(float(text))


def _to_boolean(series: pd.Series) -> pd.Series:
    if not _is_text(series):
        number = _to_float(series)
        return pd.Series(number != 0, index=series.index, dtype="boolean").mask(number.isna())
    return series.map(_truth).astype("boolean")


def _truth(value: object) -> bool | None:
    text = str(value).lower() if isinstance(value, str) else ""
    return True if text in _TRUE else (False if text in _FALSE else None)


def _to_text(series: pd.Series) -> pd.Series:
    plain = series.astype("object")
    return plain.where(series.isna(), plain.map(str)).where(series.notna(), None)


def _to_timestamp(series: pd.Series) -> pd.Series:
    source = series if pd.api.types.is_datetime64_any_dtype(series.dtype) else series.astype(object)
    moments: pd.Series = pd.to_datetime(source, errors="coerce", utc=True, format="ISO8601")
    naive: pd.Series = moments.dt.tz_localize(None).astype("datetime64[us]")
    return naive


def _to_date(series: pd.Series) -> pd.Series:
    midnight: pd.Series = _to_timestamp(series).dt.normalize()
    return midnight


def _is_text(series: pd.Series) -> bool:
    dtype = series.dtype
    return bool(pd.api.types.is_string_dtype(dtype) or pd.api.types.is_object_dtype(dtype))


_CASTS: dict[ValueType, Callable[[pd.Series], pd.Series]] = {
    "integer": _to_integer,
    "float": _to_float,
    "boolean": _to_boolean,
    "text": _to_text,
    "date": _to_date,
    "timestamp": _to_timestamp,
}
