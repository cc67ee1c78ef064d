"""Every rule of a contract that takes the whole table: counts, distribution, keys, queries."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from mlops_cli.contracts.distribution import hold_distribution
from mlops_cli.contracts.findings import Found
from mlops_cli.contracts.model import Contract
from mlops_cli.contracts.others import Table, hold_keys, hold_queries
from mlops_cli.contracts.row_counts import hold_counts
from mlops_cli.contracts.table_rules import Shares
from mlops_cli.tables.base import Engine


def has_table_rules(contract: Contract) -> bool:
    """Whether the contract has any."""
    several = (contract.foreign_keys, contract.row_counts, contract.queries)
    return any(several) or contract.distribution is not None


def hold_table(
    engine: Engine,
    held: Table,
    tables: Mapping[str, Table],
    *,
    profile: Mapping[str, Shares],
    aside: Path,
) -> Found:
    """What the table breaks of them; `tables` are all of the project by their contracts' names.

    `profile` is what its `distribution` is held to. The folder `aside` keeps the numbers of bad
    rows for as long as their SQL is asked. Raises `UsageError` for a rule that cannot be held.
    """
    found = (
        hold_keys(engine, held, tables),
        hold_counts(engine, held.path, held.contract),
        hold_distribution(engine, held.path, held.contract, profile=profile),
        hold_queries(engine, held, tables, aside),
    )
    return Found(
        tuple(v for f in found for v in f.violations),
        tuple(s for f in found for s in f.selects),
        tuple(r for f in found for r in f.remarks),
    )
