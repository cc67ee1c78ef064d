"""A contract as a pandera schema, for data frames from Python; the only module that knows pandera.

`scan` holds files to the same contract in SQL; a property test holds the two equal.
"""

from __future__ import annotations

import re
import tempfile
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

import pandas as pd
import pandera.pandas as pa
from pandera.io.pandas_io import to_yaml

from mlops_cli.contracts.frames import cast_series
from mlops_cli.contracts.model import ColumnContract, Contract, Rule, parse_moment
from mlops_cli.expressions.tree import ValueType
from mlops_cli.tables import open_engine
from mlops_cli.tables.base import ROW

_DTYPES: dict[ValueType, str] = {
    "boolean": "bool",
    "integer": "int64",
    "float": "float64",
    "text": "str",
    "date": "datetime64[ns]",
    "timestamp": "datetime64[ns]",
}
_NULLABLE_DTYPES = _DTYPES | {"boolean": "boolean", "integer": "Int64"}
Judge = Callable[[pd.Series], pd.Series]


def to_pandera(contract: Contract) -> pa.DataFrameSchema:
    """The schema whose checks are named as the rules of `scan`: type, null, range and so on.

    Values are judged as the contract's type, whatever the frame's dtype is, and the frame comes
    back unchanged. A check gives a truth for each row. Freshness and what takes the whole table
    (`table_rules`) are left to `mlops validate`.
    """
    columns = {
        name: pa.Column(None, nullable=True, required=True, checks=_column_checks(column))
        for name, column in contract.columns.items()
    }
    checks = [
        pa.Check(partial(_first_of_key, contract, key), name="unique", ignore_na=False)
        for key in contract.unique
    ]
    checks += [
        pa.Check(partial(_obeys, contract, rule), name=rule.name, ignore_na=False)
        for rule in contract.rules
    ]
    return pa.DataFrameSchema(columns, checks=checks, strict=contract.extra_columns == "refuse")


def _column_checks(column: ColumnContract) -> list[pa.Check]:
    judges: list[tuple[str, Judge]] = [("type", lambda s: ~cast_series(s, column.form)[1])]
    if not column.nullable:
        judges.append(("null", partial(_has_value, column)))
    if column.min is not None or column.max is not None:
        judges.append(("range", _on_values(column, partial(_inside, column))))
    if column.categories is not None:
        listed = list(column.categories)
        judges.append(("categories", _on_values(column, lambda s: s.isin(listed))))
    if column.pattern is not None:
        matches = re.compile(column.pattern, re.ASCII).fullmatch
        judges.append(("pattern", _on_values(column, lambda s: s.map(lambda t: bool(matches(t))))))
    if column.unique:
        judges.append(("unique", _on_values(column, lambda s: ~s.duplicated(keep="first"))))
    return [pa.Check(judge, name=name, ignore_na=False) for name, judge in judges]


def _has_value(column: ColumnContract, series: pd.Series) -> pd.Series:
    typed, uncastable = cast_series(series, column.form)
    return typed.notna() | uncastable


def _on_values(column: ColumnContract, judge: Judge) -> Judge:
    """A judge of what is there: missing and uncastable values are other rules' matter."""

    def judged(series: pd.Series) -> pd.Series:
        typed, _ = cast_series(series, column.form)
        verdict = pd.Series(True, index=series.index)
        present = typed.notna()
        if present.any():
            verdict[present] = judge(typed[present]).astype(bool)
        return verdict

    return judged


def _inside(column: ColumnContract, values: pd.Series) -> pd.Series:
    inside = pd.Series(True, index=values.index)
    if column.min is not None:
        inside &= values >= _bound(column.min)
    if column.max is not None:
        inside &= values <= _bound(column.max)
    return inside


def _bound(bound: float | str) -> float | pd.Timestamp:
    return pd.Timestamp(parse_moment(bound)) if isinstance(bound, str) else bound


def _first_of_key(contract: Contract, key: Sequence[str], frame: pd.DataFrame) -> pd.Series:
    typed = pd.DataFrame({n: cast_series(frame[n], contract.columns[n].form)[0] for n in key})
    return ~typed.duplicated(keep="first") | typed.isna().any(axis=1)


def _obeys(contract: Contract, rule: Rule, frame: pd.DataFrame) -> pd.Series:
    # DuckDB is the judge of an expression, here as in a scan.
    with tempfile.TemporaryDirectory() as folder, open_engine() as engine:
        path = Path(folder) / "frame.parquet"
        known = {n: c for n, c in contract.columns.items() if n in frame.columns}
        frame[list(known)].reset_index(drop=True).to_parquet(path, index=False)
        relation = engine.typed(path, {n: c.form for n, c in known.items()})
        verdicts = engine.rows(
            f"select coalesce(try({rule.expr}), true) from {relation} order by {ROW}"
        )
    return pd.Series([bool(row[0]) for row in verdicts], index=frame.index)


def pandera_yaml(contract: Contract) -> str:
    """The contract as pandera's own YAML, of its built-in checks, without rules across columns.

    `pandera.io.pandas_io.from_yaml` reads it; values are brought to the column's type first.
    """
    columns = {name: _built_in(column) for name, column in contract.columns.items()}
    return str(
        to_yaml(
            pa.DataFrameSchema(
                columns,
                strict=contract.extra_columns == "refuse",
                unique=[name for key in contract.unique[:1] for name in key] or None,
                report_duplicates="exclude_first",  # the first row of a key is good, as in a scan
                coerce=True,
            )
        )
    )


def _built_in(column: ColumnContract) -> pa.Column:
    checks = []
    if column.min is not None:
        checks.append(pa.Check.greater_than_or_equal_to(_bound(column.min)))
    if column.max is not None:
        checks.append(pa.Check.less_than_or_equal_to(_bound(column.max)))
    if column.categories is not None:
        checks.append(pa.Check.isin(list(column.categories)))
    if column.pattern is not None:
        checks.append(pa.Check.str_matches(f"^(?:{column.pattern})$"))
    kind = _NULLABLE_DTYPES[column.type] if column.nullable else _DTYPES[column.type]
    return pa.Column(
        kind,
        checks=checks,
        nullable=column.nullable,
        unique=column.unique,
        report_duplicates="exclude_first",
    )
