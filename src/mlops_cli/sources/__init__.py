"""Where tables come from that are no file of the project; each kind behind one port."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

from mlops_cli._adapters import load_adapter
from mlops_cli.config.sections.source import DeltaSource, FilesSource, KafkaSource, SqlSource

if TYPE_CHECKING:
    from pathlib import Path

    from mlops_cli.config.sections.source import Remote
    from mlops_cli.sources.base import Source

SOURCES = {
    "sql": "mlops_cli.sources.sql",
    "delta": "mlops_cli.sources.delta",
    "kafka": "mlops_cli.sources.kafka",
    "files": "mlops_cli.sources.files",
}


def open_source(source: str | Remote, root: Path) -> Source:
    """The source; paths are relative to the project folder `root`.

    Raises `EnvironmentFault` naming the extra that it needs, and for a variable that is not set.
    """
    match source:
        case SqlSource():
            module = load_adapter(SOURCES["sql"], extra="sql")
        case DeltaSource():
            module = load_adapter(SOURCES["delta"], extra="delta")
        case KafkaSource():
            module = load_adapter(SOURCES["kafka"], extra="kafka")
        case _:
            module = load_adapter(SOURCES["files"])
            source = FilesSource(files=source) if isinstance(source, str) else source
    return cast("Source", module.open_source(source, root))
