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
    whole: bool = True,
) -> tuple[str, ...]:
    """A sentence for each key that is used and left out; each argument is whether the form does.

    `values` are ranges, categories and patterns, `bounds_of_times` ranges of dates and timestamps,
    `unique` keys of columns and of the table, `rules` those across columns, `whole` foreign keys,
    row counts, outliers and queries.
    """
    found = [*_untold(contract, values, bounds_of_times, unique, rules)]
    return (*found, *untold_of_whole(contract, lacks=whole))


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


def untold_of_whole(contract: Contract, *, lacks: bool) -> tuple[str, ...]:
    """The same of the rules that take the whole table; `lacks`: the form has no queries."""
    keys = ("foreign_keys", "row_counts", "queries")
    used = [key for key in keys if getattr(contract, key)]
    used += ["outliers"] if any(c.outliers for c in contract.columns.values()) else []
    said = []
    if lacks and used:
        said.append(f"{', '.join(used)} {'has' if len(used) == 1 else 'have'} no place there")
    if contract.distribution is not None:
        said.append("distribution has no place there: `mlops validate` holds it")
    return tuple(said)
