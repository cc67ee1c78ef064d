"""The online store that a setting means, as a server and as a command ask it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, cast

from mlops_cli._adapters import load_adapter
from mlops_cli.serving.contract import ONLINE
from mlops_cli.serving.online.base import Ask, AsyncStore, Store, Told, Writer
from mlops_cli.serving.online.sqlite import SqliteReader, SqliteWriter

SQLITE = "sqlite:"  # begins the setting that names a file
_REDIS = "mlops_cli.serving.online.redis"


class _AtOnce:
    """A store that answers sooner than a turn of the event loop is worth."""

    def __init__(self, store: Store) -> None:
        self._store = store

    async def read(self, asks: Sequence[Ask]) -> tuple[bytes | None, list[Told]]:
        return self._store.read(asks)


def open_served(setting: str | None, project: str) -> AsyncStore | None:
    """The store of a server; nothing is opened or connected yet.

    Raises `EnvironmentFault` where the library is not installed, and `UsageError` for what is no
    address.
    """
    if setting is None:
        return None
    if setting.startswith(SQLITE):
        return _AtOnce(SqliteReader(Path(setting.removeprefix(SQLITE))))
    reader: AsyncStore = _redis().RedisReader(setting, project, ONLINE)
    return reader


def open_reader(setting: str, project: str) -> Store:
    """The store for a command that reads; raises what `open_served` does."""
    if setting.startswith(SQLITE):
        return SqliteReader(Path(setting.removeprefix(SQLITE)))
    return cast("Store", _redis().RedisStore(setting, project, "features.online"))


def open_writer(setting: str, project: str) -> Writer:
    """The store for a command that fills it; raises what `open_served` does."""
    if setting.startswith(SQLITE):
        return SqliteWriter(Path(setting.removeprefix(SQLITE)))
    return cast("Writer", _redis().RedisStore(setting, project, "features.online"))


def _redis() -> Any:
    return load_adapter(_REDIS, extra="redis")
