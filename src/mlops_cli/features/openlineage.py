"""The lineage of features as an event of OpenLineage: which columns of tables each is made of."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from typing import Any

from mlops_cli.features.lineage import FeatureEntry, SourceColumn

# https://openlineage.io/spec/2-0-2/OpenLineage.json: a job as it stands, of no run
_SCHEMA = "https://openlineage.io/spec/2-0-2/OpenLineage.json#/$defs/JobEvent"
_FACETS = "https://openlineage.io/spec/facets"
_PRODUCER = "https://github.com/mlops-cli/mlops-cli"
_SUBTYPES = {
    "column": "IDENTITY",
    "join": "IDENTITY",
    "row": "TRANSFORMATION",
    "python": "TRANSFORMATION",
    "aggregate": "AGGREGATION",
    "online": "IDENTITY",
}


def openlineage(
    project: str, output: str, entries: Sequence[FeatureEntry], at: datetime
) -> dict[str, Any]:
    """The event: the job `featurize` of the project, its tables, and the columns of `output`.

    A feature's inputs are DIRECT where its value is made of them, and INDIRECT (JOIN) where rows
    are found by them.
    """
    tables = dict.fromkeys(s.table for e in entries for s in (*e.sources, *e.keys))
    read = {t: _columns_of(entries, t) for t in tables}
    return {
        "eventTime": at.astimezone(UTC).isoformat(timespec="seconds").replace("+00:00", "Z"),
        "producer": _PRODUCER,
        "schemaURL": _SCHEMA,
        "job": {"namespace": project, "name": f"{project}.featurize", "facets": {}},
        "inputs": [
            {
                "namespace": project,
                "name": table,
                "facets": {"schema": _facet("SchemaDatasetFacet", "1-2-0", fields=_fields(names))},
            }
            for table, names in read.items()
        ],
        "outputs": [
            {
                "namespace": project,
                "name": output,
                "facets": {
                    "schema": _facet(
                        "SchemaDatasetFacet",
                        "1-2-0",
                        fields=[{"name": e.name, "type": e.type} for e in entries],
                    ),
                    "columnLineage": _facet(
                        "ColumnLineageDatasetFacet",
                        "1-2-0",
                        fields={e.name: {"inputFields": _inputs(project, e)} for e in entries},
                    ),
                },
            }
        ],
    }


def _columns_of(entries: Iterable[FeatureEntry], table: str) -> list[str]:
    read = (s for e in entries for s in (*e.sources, *e.keys) if s.table == table)
    return list(dict.fromkeys(s.column for s in read))


def _fields(names: Iterable[str]) -> list[dict[str, str]]:
    return [{"name": name} for name in names]


def _inputs(project: str, entry: FeatureEntry) -> list[dict[str, Any]]:
    how = {"type": "DIRECT", "subtype": _SUBTYPES[entry.kind], "description": entry.made[:500]}
    found = [_input(project, source, how) for source in entry.sources]
    key = {"type": "INDIRECT", "subtype": "JOIN"}
    return found + [_input(project, source, key) for source in entry.keys]


def _input(project: str, source: SourceColumn, how: dict[str, str]) -> dict[str, Any]:
    return {
        "namespace": project,
        "name": source.table,
        "field": source.column,
        "transformations": [{**how, "masking": False}],
    }


def _facet(name: str, version: str, **content: Any) -> dict[str, Any]:
    return {
        "_producer": _PRODUCER,
        "_schemaURL": f"{_FACETS}/{version}/{name}.json#/$defs/{name}",
        **content,
    }
