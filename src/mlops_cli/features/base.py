"""What the stages hand to this room, and what it hands back: tables' types, and a layout."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from mlops_cli.bundle.manifest import Feature, Input, Target
from mlops_cli.config.load import Project
from mlops_cli.config.model import Config, JoinConfig, contract_of
from mlops_cli.errors import UsageError
from mlops_cli.expressions.tree import FeatureTree, Node, ValueType


@dataclass(frozen=True, slots=True)
class TableSchema:
    """What a table's contract says of its columns: their types, and which may be null."""

    types: Mapping[str, ValueType]
    nullable: Mapping[str, bool] = field(default_factory=dict)


Schemas = Mapping[str, TableSchema]
"""By a table's path as `mlops.yaml` has it."""


@dataclass(frozen=True, slots=True)
class Layout:
    """What the configuration asks for, resolved against the tables' types.

    `trees` holds every feature in order (a plain or joined column is a tree of one node), `rows`
    the names of those that are row expressions; `event` the types of the events table, with the
    time column as a timestamp; `target_tree` what `data.target` means.
    """

    inputs: tuple[Input, ...]
    features: tuple[Feature, ...]
    trees: tuple[FeatureTree, ...]
    rows: frozenset[str]
    target: Target
    target_tree: Node
    event: Mapping[str, ValueType]


@dataclass(frozen=True, slots=True)
class JoinSource:
    """A joined table on disk: its file, the types of its columns, and how it is joined."""

    path: Path
    types: Mapping[str, ValueType]
    config: JoinConfig


def contracts_of(config: Config) -> dict[str, str]:
    """Each table that `mlops.yaml` names, with its contract's file; paths within the project."""
    joined = {join.table: contract_of(join.table) for join in config.features.join}
    return {**joined, config.data.table: config.contract}


class ColumnRules(Protocol):
    """What is needed of a column's contract."""

    @property
    def nullable(self) -> bool:
        """Whether values may be missing."""


class TableRules(Protocol):
    """What is needed of a table's contract."""

    @property
    def types(self) -> Mapping[str, ValueType]:
        """Column name to type, in order."""

    @property
    def columns(self) -> Mapping[str, ColumnRules]:
        """Column name to its rules."""


def load_schemas(project: Project, load: Callable[[Path], TableRules]) -> dict[str, TableSchema]:
    """The schema of every table that `mlops.yaml` names; `load` reads a contract's file.

    Raises `UsageError` naming the contract that is missing.
    """
    schemas: dict[str, TableSchema] = {}
    for table, file in contracts_of(project.config).items():
        if not (project.root / file).is_file():
            raise UsageError(
                f"{table} has no contract: {file} does not exist",
                hint="`mlops run` infers one from the table and writes it",
            )
        rules = load(project.root / file)
        nullable = {name: column.nullable for name, column in rules.columns.items()}
        schemas[table] = TableSchema(rules.types, nullable)
    return schemas
