"""A data frame's rows as events, in the values that a request would bring."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import date, datetime, time
from decimal import Decimal
from typing import Any, TypeAlias

import msgspec
import numpy as np
import pandas as pd

from mlops_cli.bundle.manifest import Input
from mlops_cli.errors import DataError
from mlops_cli.expressions.tree import ValueType
from mlops_cli.serving.requests import Event, EventDecoder, RequestError

Rows: TypeAlias = pd.DataFrame | Mapping[str, Any] | Sequence[Mapping[str, Any]]


def frame_of(rows: Rows) -> pd.DataFrame:
    """What `predict` takes as a data frame: one, columns by name, one row by name, a list of rows.

    Raises `DataError` for anything else.
    """
    if isinstance(rows, pd.DataFrame):
        return rows
    if isinstance(rows, Mapping):
        columns = any(isinstance(v, list | tuple | np.ndarray | pd.Series) for v in rows.values())
        return pd.DataFrame(rows if columns else [rows], dtype=None if columns else object)
    if isinstance(rows, list | tuple) and all(isinstance(row, Mapping) for row in rows):
        return pd.DataFrame(rows, dtype=object)
    raise DataError(
        f"a model predicts rows that have names, and this is {type(rows).__name__}",
        hint="give a pandas data frame, or a list of dicts, a dict a row",
    )


def events_of(frame: pd.DataFrame, inputs: Sequence[Input]) -> Iterator[Event]:
    """The inputs' values of each row; further columns are left out.

    Raises `DataError` for a column that is lacking (one that may be null may lack, as in a
    request), misspelt, or there twice.
    """
    _check(frame, inputs)
    present = [i for i in inputs if i.name in frame.columns]
    columns = [_values(frame[i.name], i.type) for i in present]
    names = [i.name for i in present]
    return (dict(zip(names, row, strict=True)) for row in zip(*columns, strict=True))


def _check(frame: pd.DataFrame, inputs: Sequence[Input]) -> None:
    try:
        header = msgspec.json.encode(dict.fromkeys(map(str, frame.columns)))
        EventDecoder([i.name for i in inputs]).event(header)
    except RequestError as e:
        raise DataError(e.message, hint="name the data frame's columns as the inputs") from e
    names = {i.name: i for i in inputs}
    if twice := [n for n in frame.columns[frame.columns.duplicated()] if n in names]:
        raise DataError(f"the data frame has two columns `{twice[0]}`", hint="leave one out")
    if lacking := [i.name for i in inputs if not i.nullable and i.name not in frame.columns]:
        raise DataError(
            f"the data frame has no column `{lacking[0]}`, and the model's input may not be null",
            hint=f"add the column `{lacking[0]}`",
        )


def _values(column: pd.Series[Any], kind: ValueType) -> list[Any]:
    missing = column.isna().to_numpy()
    values: list[Any] = column.tolist()
    if column.dtype.kind in "biuf" and kind != "boolean" and not missing.any():
        return values
    return [None if gone else _plain(v, kind) for v, gone in zip(values, missing, strict=True)]


def _plain(value: Any, kind: ValueType) -> Any:
    """A value as JSON would say it, where that is clear; all else is the encoder's to refuse."""
    if isinstance(value, np.generic):
        value = value.item()
    if isinstance(value, datetime):
        day = kind == "date" and value.time() == time()
        return value.date().isoformat() if day else value.isoformat()
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, Decimal):
        return float(value)
    if kind == "boolean" and isinstance(value, float) and value.is_integer():
        return int(value)  # a column of 0 and 1 in which some are missing
    return value
