"""A contract as a suite of Great Expectations (1.x)."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from mlops_cli._json import pretty_json
from mlops_cli.contracts.model import ColumnContract, Contract, parse_moment
from mlops_cli.exports.base import Rendered
from mlops_cli.exports.contracts.untold import untold

_MADE_FOR = "1.9.0"  # the first release whose form of a suite this is held to


def render(name: str, contract: Contract) -> Rendered:
    """See `exports.contracts.contract_files_of`: one file, `NAME.json`, a suite of that name."""
    suite = {
        "name": name,
        "expectations": list(_expectations(contract)),
        "meta": {"great_expectations_version": _MADE_FOR},
    }
    return Rendered({f"{name}.json": pretty_json(suite)}, untold(contract, unique=False))


def _expectations(contract: Contract) -> Iterator[dict[str, Any]]:
    if contract.extra_columns == "refuse":
        yield _of("expect_table_columns_to_match_set", column_set=list(contract.columns))
    for name, column in contract.columns.items():
        yield _of("expect_column_to_exist", column=name)
        yield from _of_column(name, column)
    for key in contract.unique:
        yield _of(
            "expect_compound_columns_to_be_unique",
            column_list=list(key),
            ignore_row_if="any_value_is_missing",
        )


def _of_column(name: str, column: ColumnContract) -> Iterator[dict[str, Any]]:
    if not column.nullable:
        yield _of("expect_column_values_to_not_be_null", column=name)
    if column.min is not None or column.max is not None:
        bounds = {"min_value": column.min, "max_value": column.max}
        given = {k: _bound(column, v) for k, v in bounds.items() if v is not None}
        yield _of("expect_column_values_to_be_between", column=name, **given)
    if column.categories is not None:
        listed = list(column.categories)
        yield _of("expect_column_values_to_be_in_set", column=name, value_set=listed)
    if column.pattern is not None:
        whole = f"^(?:{column.pattern})$"
        yield _of("expect_column_values_to_match_regex", column=name, regex=whole)
    if column.unique:
        yield _of("expect_column_values_to_be_unique", column=name)


def _bound(column: ColumnContract, bound: float | str) -> float | str:
    # Great Expectations reads a bare day as a date, which cannot be compared with a moment.
    if column.type == "timestamp" and isinstance(bound, str):
        return parse_moment(bound).isoformat()
    return bound


def _of(kind: str, **arguments: object) -> dict[str, Any]:
    return {"type": kind, "kwargs": arguments, "meta": {}}
