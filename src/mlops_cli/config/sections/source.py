"""Where a table comes from, where it is no file of the project: part of the section `data`."""

from __future__ import annotations

import re
from pathlib import PurePosixPath
from typing import Annotated, Any, get_args

from pydantic import Discriminator, Field, Tag

from mlops_cli.config.sections.base import ProjectPath, Section

FILES = (".csv", ".csv.gz", ".tsv", ".txt", ".parquet", ".pq")  # what is read where it stands
_OTHER_FILES = (".jsonl", ".ndjson", ".json")
_FORMS = {
    "FilesSource": {"files"},
    "SqlSource": {"sql", "url"},
    "DeltaSource": {"delta"},
    "KafkaSource": {"kafka", "servers"},
}
_WILD = re.compile(r"[*?\[]")


class FilesSource(Section):
    """Files in a folder, by a pattern, or in object storage, of which not all is read."""

    files: ProjectPath = Field(description="a folder, a pattern or a URL")
    columns: tuple[str, ...] | None = Field(
        None, min_length=1, description="those that are read; default: all"
    )
    watermark: str | None = Field(
        None,
        description="the column that `--since` and `--until` of `mlops ingest` go by, of the files "
        "or of their folders' names: what has nothing there is not read",
    )


class SqlSource(Section):
    """The rows of a query."""

    sql: str = Field(min_length=1, description="a query")
    url: str = Field(description="of the database: `${VAR}`, or without a password")
    watermark: str | None = Field(
        None,
        description="a column that only grows, such as a number or the time of a change: the next "
        "`mlops ingest` brings what is above it; without it all rows are brought again",
    )


class DeltaSource(Section):
    """A Delta table."""

    delta: str = Field(min_length=1, description="its folder, or URL")
    version: int | None = Field(None, ge=0, description="default: the newest")
    columns: tuple[str, ...] | None = Field(
        None, min_length=1, description="those that are read; default: all"
    )
    watermark: str | None = Field(
        None,
        description="a column that only grows: the next `mlops ingest` brings what is above it, "
        "and opens no file that has nothing there; without it all rows are brought again",
    )


class KafkaSource(Section):
    """The records of a topic: JSON objects, or Avro with a schema registry."""

    kafka: str = Field(min_length=1, description="the topic")
    servers: str = Field(description="HOST:PORT,... of the brokers, or `${VAR}`")
    registry: str | None = Field(
        None,
        description="URL of the schema registry that Avro records name their schema of, `${VAR}` "
        "or without a password; without it records are JSON objects",
    )


def _form_of(value: Any) -> str:
    """The form that a table is written in, by the keys that it has."""
    if isinstance(value, Section):
        return type(value).__name__
    if not isinstance(value, dict):
        return "ProjectPath"
    named = [name for name, keys in _FORMS.items() if keys & value.keys()]
    return named[0] if len(named) == 1 else ""


Remote = FilesSource | SqlSource | DeltaSource | KafkaSource
TableSource = Annotated[
    Annotated[ProjectPath, Tag("ProjectPath")]
    | Annotated[FilesSource, Tag("FilesSource")]
    | Annotated[SqlSource, Tag("SqlSource")]
    | Annotated[DeltaSource, Tag("DeltaSource")]
    | Annotated[KafkaSource, Tag("KafkaSource")],
    Discriminator(
        _form_of,
        custom_error_type="form_of_a_table",
        custom_error_message="a table is a file, a folder, a pattern or a URL; or "
        "`{files: PATH}`, `{sql: QUERY, url: URL}`, `{delta: PATH}` or "
        "`{kafka: TOPIC, servers: HOST:PORT}`",
    ),
]
TABLE_FORMS = ("ProjectPath", *(form.__name__ for form in get_args(Remote)))


def is_file(table: str | Remote) -> bool:
    """Whether it is a file of the project, which is read where it stands."""
    if not isinstance(table, str) or "://" in table or _WILD.search(table):
        return False
    suffix = PurePosixPath(table).suffix.lower()
    return bool(suffix) and suffix not in _OTHER_FILES


def name_of(table: str | Remote, project: str) -> str:
    """What the table is called where nobody gave it a name.

    The last part of a path or URL that is no pattern, without its ending; the topic; of a query
    the project's name.
    """
    match table:
        case SqlSource():
            return project
        case KafkaSource():
            return table.kafka
        case DeltaSource():
            path = table.delta
        case FilesSource():
            path = table.files
        case _:
            path = table
    parts = [part for part in path.rstrip("/").split("/") if part and not _WILD.search(part)]
    return (parts[-1] if parts else project).partition(".")[0] or project
