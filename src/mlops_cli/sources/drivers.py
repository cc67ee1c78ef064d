"""What reads a database, a bucket or Avro, loaded when a URL asks for it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

from mlops_cli._adapters import load_adapter

if TYPE_CHECKING:
    from pathlib import Path

    from mlops_cli.sources.connection import Connection
    from mlops_cli.sources.records import Records

_DATABASES = {  # of a URL's scheme: what reads it, and the extra that brings that
    "postgresql": ("mlops_cli.sources.adbc", "postgres"),
    "postgres": ("mlops_cli.sources.adbc", "postgres"),
    "sqlite": ("mlops_cli.sources.adbc", "sql"),
    "duckdb": ("mlops_cli.sources.adbc", "sql"),
}
_OTHERS = ("mlops_cli.sources.sqlalchemy", "sql")
_BUCKETS = {"s3": "s3", "s3a": "s3", "gs": "gcs", "az": "azure", "abfs": "azure", "abfss": "azure"}


def open_database(url: str, root: Path) -> Connection:
    """The database of a URL; a file is relative to the project folder `root`.

    Raises `EnvironmentFault` where a package is missing or nothing answers.
    """
    module, extra = _DATABASES.get(url.partition(":")[0].partition("+")[0], _OTHERS)
    return cast("Connection", load_adapter(module, extra=extra).connect(url, root))


def load_dbapi(package: str, extra: str) -> Any:
    """The DBAPI of an ADBC driver; raises `EnvironmentFault` naming the extra that brings it."""
    return load_adapter(f"{package}.dbapi", extra=extra)


def open_bucket(url: str) -> Any:
    """The `ObjectStore` of a URL; raises `EnvironmentFault` as it does, and without its package."""
    extra = _BUCKETS.get(url.partition(":")[0], "s3")
    return load_adapter("mlops_cli.serving.object_store", extra=extra).ObjectStore(url)


def open_avro(registry: str) -> Records:
    """The `Records` by the schemas of the registry at that URL; raises as `AvroRecords` does."""
    module = load_adapter("mlops_cli.sources.avro", extra="kafka")
    return cast("Records", module.AvroRecords(registry))
