"""The data plane: tables on disk behind one port; DuckDB is the engine."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

from mlops_cli._adapters import load_adapter

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

    from mlops_cli.config.project import Project
    from mlops_cli.config.sections.engine import EngineConfig
    from mlops_cli.tables.base import Engine
    from mlops_cli.tables.cluster import Cluster
    from mlops_cli.tables.confined import Confined

ENGINES = {"duckdb": "mlops_cli.tables.duckdb"}
CONFINED = "mlops_cli.tables.confined"
_USUAL = 10**9  # bytes: what needs more, such as the sort of a large table, spills to the disk
_AROUND = 256 << 20
_COUNTED = 80  # percent


def open_engine(
    name: str = "duckdb", *, temporary: Path | None = None, memory: str | None = None
) -> Engine:
    """Open the engine `name`; what does not fit into memory spills to the folder `temporary`.

    `memory` is how much that is, such as `256MB`, where it is to be less than usual.
    """
    return cast("Engine", load_adapter(ENGINES[name]).open_engine(temporary, memory))


def open_project_engine(project: Project, *, over_time: bool = False) -> Engine:
    """The engine of what reads whole tables, whose process stays within `engine.memory`.

    Where that is not given, half of the machine is for what sorts tables by keys and time
    (`over_time`): all else keeps to what is usual.
    """
    share = engine_share(project.memory)
    if project.config.engine.memory is None and not over_time:
        share = min(share, _USUAL)
    return open_engine(temporary=project.temporary, memory=f"{share}B")


def engine_share(most: int) -> int:
    """How many bytes DuckDB may count where its process is to take at most so many.

    Beside what it counts stand the interpreter with its libraries, what DuckDB takes without
    counting it, and what the allocator has not given back.
    """
    return max(most * _COUNTED // 100 - _AROUND, most // 4)


def open_confined(tables: Mapping[str, str], *, files: Iterable[Path], temporary: Path) -> Confined:
    """Where a query that somebody wrote may read those tables and nothing else: see `Confined`."""
    return cast("Confined", load_adapter(CONFINED).Confined(tables, files, temporary))


def open_cluster(engine: EngineConfig) -> Cluster:
    """The cluster that `engine.spark` names.

    Raises `EnvironmentFault` for a library, a Java or a cluster that is not there.
    """
    module = load_adapter("mlops_cli.tables.spark", extra="spark")
    return cast("Cluster", module.open_cluster(engine.spark, engine.settings))


def preload() -> None:
    """Load the usual engine, in a process that others are forked from."""
    load_adapter(ENGINES["duckdb"])
