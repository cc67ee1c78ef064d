"""The published versions of a contract: `contracts/published/NAME/N.yaml`, which never change."""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from mlops_cli._files import sha256_of
from mlops_cli.config.project import Project
from mlops_cli.contracts.model import Contract, load_contract
from mlops_cli.contracts.table_rules import Shares
from mlops_cli.errors import GateError, UsageError

CONTRACTS = "contracts"
PUBLISHED = f"{CONTRACTS}/published"


@dataclass(frozen=True, slots=True)
class Published:
    """One version: its number, what it says, and the sha256 (64 hex digits) of its file."""

    number: int
    contract: Contract
    digest: str


def contract_files(project: Project) -> dict[str, Path]:
    """Every contract of the project by name: those of its tables, and all under `contracts/`."""
    named = [project.root / file for file in project.contracts.values()]
    there = sorted((project.root / CONTRACTS).glob("*.yaml"))
    return {path.stem: path for path in (*there, *named) if path.is_file()}


def contract_file(project: Project, name: str | None) -> tuple[str, Path]:
    """Name and file of the contract `name`; None is that of the main table.

    Raises `UsageError` for one that does not exist, with the nearest that does.
    """
    files = contract_files(project)
    asked = Path(project.config.contract).stem if name is None else name
    if asked in files:
        return asked, files[asked]
    near = difflib.get_close_matches(asked, files, n=1, cutoff=0.4)
    hint = f"did you mean {near[0]!r}?" if near else "`mlops run` infers those of its tables"
    raise UsageError(f"there is no contract {asked!r} in {CONTRACTS}/", hint=hint)


def version_file(root: Path, name: str, number: int) -> Path:
    """Where a version stands."""
    return root / PUBLISHED / name / f"{number}.yaml"


def published_versions(root: Path, name: str) -> dict[int, Published]:
    """All versions of the contract `name` by number, ascending; raises `UsageError` as reading."""
    files = (root / PUBLISHED / name).glob("*.yaml")
    numbered = sorted((int(f.stem), f) for f in files if f.stem.isdecimal())
    return {n: Published(n, load_contract(f), sha256_of(f)) for n, f in numbered}


def published_profile(root: Path, name: str, contract: Contract) -> dict[str, Shares]:
    """What `distribution` of a contract is held to: the profile of its last published version.

    Raises `UsageError` where that version's file is not there.
    """
    if contract.distribution is None or contract.version is None:
        return {}
    file = version_file(root, name, contract.version)
    if not file.is_file():
        where = file.relative_to(root)
        raise UsageError(
            f"the contract {name} is held to its version {contract.version}, and {where} is gone",
            hint=f"git checkout {where}",
        )
    return load_contract(file).profile or {}


def refuse_changed(name: str, known: Mapping[int, Published], recorded: Mapping[int, str]) -> None:
    """Raise `GateError` where a version's digest is not the `recorded` one, or it is gone."""
    for number, digest in recorded.items():
        found = known.get(number)
        if found is None or found.digest != digest:
            file = f"{PUBLISHED}/{name}/{number}.yaml"
            what = "is not there" if found is None else "is not what was published"
            raise GateError(f"{file} {what}: a version never changes", hint=f"git checkout {file}")
