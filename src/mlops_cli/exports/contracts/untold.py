"""What of a contract another form has no word for."""

from __future__ import annotations

from collections.abc import Iterator

from mlops_cli.contracts.model import Contract


def untold(
    contract: Contract,
    *,
    values: bool = False,
    bounds_of_times: bool = False,
    unique: bool = True,
    rules: bool = True,
) -> tuple[str, ...]:
    """A sentence for each key that is used and left out; each argument is whether the form does.

    `values` are ranges, categories and patterns, `bounds_of_times` ranges of dates and timestamps,
    `unique` keys of columns and of the table, `rules` those across columns.
    """
    return tuple(_untold(contract, values, bounds_of_times, unique, rules))


def _untold(
    contract: Contract, values: bool, times: bool, unique: bool, rules: bool
) -> Iterator[str]:
    columns = contract.columns.values()
    ranged = [c for c in columns if c.min is not None or c.max is not None]
    if values and (ranged or any(c.categories or c.pattern for c in columns)):
        yield "min, max, categories and pattern have no place there"
    elif times and any(isinstance(b, str) for c in ranged for b in (c.min, c.max)):
        yield "min and max of dates and timestamps have no place there"
    if unique and (contract.unique or any(c.unique for c in columns)):
        yield "unique has no place there"
    if rules and contract.rules:
        yield "rules have no place there"
    if contract.freshness is not None:
        yield "freshness has no place there"
    if any(c.format for c in columns):
        yield "how dates and numbers are written (format) has no place there"
