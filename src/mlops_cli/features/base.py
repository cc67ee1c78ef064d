"""What the stages hand to this room, and what it hands back: tables' types, and a layout."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

from mlops_cli.bundle.manifest import Feature, Input, Target
from mlops_cli.config.project import Project
from mlops_cli.config.sections.features import AggregateConfig, JoinConfig
from mlops_cli.contracts.model import Rule, read_contract
from mlops_cli.expressions.tree import FeatureTree, Node, ValueType
from mlops_cli.tables.base import ColumnForm


@dataclass(frozen=True, slots=True)
class TableSchema:
    """What a table's contract says of its columns: types, which may be null, how they are written.

    `forms` may lack columns of the usual form; `rules` are its conditions on one row;
    with `consent` some rows may not be used.
    """

    types: Mapping[str, ValueType]
    nullable: Mapping[str, bool] = field(default_factory=dict)
    forms: Mapping[str, ColumnForm] = field(default_factory=dict)
    rules: tuple[Rule, ...] = ()
    consent: bool = False


Schemas = Mapping[str, TableSchema]
"""By a table's path as `mlops.yaml` has it."""


@dataclass(frozen=True, slots=True)
class Layout:
    """What the configuration asks for, resolved against the tables' types.

    `trees` holds every feature in order (a plain or joined column is a tree of one node), `rows`
    the names of those that are row expressions; `event` the types of the events table, with the
    time column as a timestamp, and `forms` how they are written; `target_tree` what `data.target`
    means.
    """

    inputs: tuple[Input, ...]
    features: tuple[Feature, ...]
    trees: tuple[FeatureTree, ...]
    rows: frozenset[str]
    target: Target
    target_tree: Node
    event: Mapping[str, ValueType]
    forms: Mapping[str, ColumnForm]


@dataclass(frozen=True, slots=True)
class JoinSource:
    """A joined table on disk: its file, its columns' types and forms, and how it is joined."""

    path: Path
    types: Mapping[str, ValueType]
    config: JoinConfig
    forms: Mapping[str, ColumnForm] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class AggregateSource:
    """The table of an aggregate on disk: its file, the columns that are read, and what of them.

    `time` is its time column, `types` and `forms` are those of all its columns.
    """

    path: Path
    types: Mapping[str, ValueType]
    time: str
    config: AggregateConfig
    forms: Mapping[str, ColumnForm] = field(default_factory=dict)


def in_form(
    types: Mapping[str, ValueType], forms: Mapping[str, ColumnForm]
) -> dict[str, ColumnForm]:
    """The columns named in `types`, of these types, each in its form."""
    usual = ColumnForm("text")
    return {name: replace(forms.get(name, usual), type=kind) for name, kind in types.items()}


def load_schemas(project: Project) -> dict[str, TableSchema]:
    """The schema of every table that `mlops.yaml` names, from its contract.

    Raises `UsageError` naming the contract that is missing.
    """
    schemas: dict[str, TableSchema] = {}
    for table in project.tables:
        contract = read_contract(project, table)
        nullable = {name: column.nullable for name, column in contract.columns.items()}
        schemas[table] = TableSchema(
            contract.types,
            nullable,
            contract.forms,
            contract.rules,
            consent=contract.consent is not None,
        )
    return schemas


def join_numbers(schema: TableSchema, join: JoinConfig) -> list[str]:
    """The joined columns that are numbers."""
    return [name for name in join.columns if schema.types.get(name) in ("integer", "float")]
