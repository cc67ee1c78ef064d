"""Contracts for the tables that a project names and nobody has described yet."""

from __future__ import annotations

from pathlib import Path

from mlops_cli.config.project import Project
from mlops_cli.contracts.infer import infer_contract
from mlops_cli.contracts.write import write_contract
from mlops_cli.errors import UsageError
from mlops_cli.tables import open_engine


def write_missing_contracts(project: Project) -> list[Path]:
    """Infer and write a contract for every table of the project that has none; their paths.

    Raises `UsageError` for a table that does not exist, or a contract that `mlops.yaml` names and
    nobody wrote; `DataError` for a table that cannot be read or whose time column holds no times.
    """
    named = project.config.validate_.contract
    if named and not (project.root / named).is_file():
        raise UsageError(
            f"mlops.yaml: validate.contract is {named}, and there is no such file",
            hint="leave the key out, and `mlops run` infers a contract from the table",
        )
    missing = [t for t in _tables(project) if not (project.root / t[1]).is_file()]
    if not missing:
        return []
    written = []
    with open_engine(temporary=project.temporary) as engine:
        for table, contract_file, times in missing:
            path = project.root / table
            if not path.exists():
                raise UsageError(f"no such file: {table}", hint="mlops.yaml names it as a table")
            contract, _ = infer_contract(engine, path, times=times)
            write_contract(project.root / contract_file, contract, table=table)
            written.append(project.root / contract_file)
    return written


def _tables(project: Project) -> list[tuple[str, str, list[str]]]:
    """Every table with its contract's file and the columns that have to be times."""
    data, features = project.config.data, project.config.features
    times: dict[str, list[str]] = {data.table: [data.time] if data.time else []}
    for join in features.join:
        times.setdefault(join.table, []).extend(join.times)
    for aggregate in features.aggregates:
        asof = aggregate.asof or data.time
        times.setdefault(aggregate.table, []).extend([asof] if asof else [])
    for table in project.config.validate_.tables:
        times.setdefault(table, [])
    return [(table, project.contracts[table], names) for table, names in times.items()]
