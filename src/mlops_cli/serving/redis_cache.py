"""A cache that several servers share, in Redis; while that is away, nobody waits for it."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Mapping, Sequence
from typing import Any

import redis.asyncio
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import MaxConnectionsError, RedisError

from mlops_cli.errors import UsageError
from mlops_cli.serving.contract import CACHE as _SETTING
from mlops_cli.serving.redis_address import HINT, filled

log = logging.getLogger(__name__)

PATIENCE = 0.1  # seconds that a request waits for Redis, connecting included
DAY = 24 * 3600  # seconds that it keeps a row
_MOST = 10_000  # rows that wait to be kept; more are not kept
_CONNECTIONS = 32
_SOONEST, _LATEST = 0.5, 5.0  # seconds between two looks whether it is back
_EVERY = 60.0  # seconds between two lines in the log
_CHECKED = 16  # bytes of the key that stand before what is kept under it
_PREFIX = b"mlops:"
_FAULTS = (RedisError, OSError, TimeoutError)


class RedisCache:
    """Rows in the Redis of a URL, whose `${VAR}` are the process' own environment.

    The first request that Redis does not answer in time opens the circuit: from then on it is
    asked by nobody but a task that waits until it is back. What is kept begins with a part of its
    key: an answer to another question is never taken for this one's.
    """

    def __init__(self, url: str) -> None:
        try:
            self._client = redis.asyncio.Redis.from_url(
                filled(url, _SETTING),
                socket_timeout=PATIENCE,
                socket_connect_timeout=PATIENCE,
                retry=Retry(NoBackoff(), 0),  # by default a dead server costs seconds a call
                max_connections=_CONNECTIONS,
            )
        except ValueError as e:  # its text may hold the password
            raise UsageError(f"{_SETTING} is no address of Redis", hint=HINT) from e
        place = self._client.connection_pool.connection_kwargs
        self._name = f"Redis at {place.get('host', 'localhost')}:{place.get('port', 6379)}"
        self._away = False
        self._told = float("-inf")
        self._waiting: dict[bytes, bytes] = {}
        self._writer: asyncio.Task[None] | None = None
        self._watcher: asyncio.Task[None] | None = None

    async def get(self, keys: Sequence[bytes]) -> list[bytes | None]:
        """See `Cache.get`; after `PATIENCE` it has nothing."""
        nothing: list[bytes | None] = [None] * len(keys)
        if self._away:
            return nothing
        try:
            async with asyncio.timeout(PATIENCE):
                found: list[Any] = await self._client.mget([_PREFIX + key for key in keys])
        except MaxConnectionsError:  # a crowd: the model itself is sooner
            return nothing
        except _FAULTS as e:
            self._went(e)
            return nothing
        return [_checked(key, value) for key, value in zip(keys, found, strict=True)]

    def put(self, found: Mapping[bytes, bytes]) -> None:
        """See `Cache.put`."""
        if self._away or len(self._waiting) >= _MOST:
            return
        self._waiting.update(found)
        if self._writer is None or self._writer.done():
            self._writer = asyncio.ensure_future(self._write())

    async def _write(self) -> None:
        while self._waiting:
            rows, self._waiting = self._waiting, {}
            pipeline = self._client.pipeline(transaction=False)
            for key, value in rows.items():
                pipeline.set(_PREFIX + key, key[:_CHECKED] + value, ex=DAY)
            try:
                async with asyncio.timeout(10 * PATIENCE):
                    await pipeline.execute()
            except MaxConnectionsError:
                continue
            except _FAULTS as e:
                self._went(e)

    def _went(self, fault: Exception) -> None:
        if self._away:
            return
        self._away = True
        self._waiting.clear()
        self._tell("%s is not asked until it answers: %s", self._name, type(fault).__name__)
        self._watcher = asyncio.ensure_future(self._watch())

    async def _watch(self) -> None:
        """Until it takes and gives again."""
        wait = _SOONEST
        while self._away:
            await asyncio.sleep(wait)
            wait = min(2 * wait, _LATEST)
            try:
                async with asyncio.timeout(10 * PATIENCE):
                    await self._client.set(_PREFIX + b"back", b"1", ex=DAY)
            except _FAULTS:
                continue
            self._away = False
            self._tell("%s answers again", self._name)

    def _tell(self, said: str, *parts: str) -> None:
        now = time.monotonic()
        if now - self._told >= _EVERY:
            self._told = now
            log.warning(said, *parts)


def _checked(key: bytes, value: bytes | None) -> bytes | None:
    if value is None or value[:_CHECKED] != key[:_CHECKED]:
        return None
    return value[_CHECKED:]
