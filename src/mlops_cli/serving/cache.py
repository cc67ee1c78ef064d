"""What the model said of a row, kept: under the bundle's digest, so that a swap begins anew.

The numbers themselves are kept, as the model gave them: an answer from here has the same bytes, and
goes the same way to the prediction log.
"""

from __future__ import annotations

import asyncio
import logging
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from hashlib import sha256
from typing import Protocol

import numpy as np

from mlops_cli._adapters import load_adapter
from mlops_cli.serving.metrics import Metrics
from mlops_cli.serving.micro_batch import Came, MicroBatcher, fail
from mlops_cli.serving.predictions import shape_of
from mlops_cli.serving.predictor import Predictor

log = logging.getLogger(__name__)
_MEMORY = "memory:"


class Cache(Protocol):
    """Numbers of rows, by keys of 32 bytes; what it has not, or cannot say in time, it has not."""

    async def get(self, keys: Sequence[bytes]) -> list[bytes | None]:
        """What it has of each key; never raises."""

    def put(self, found: Mapping[bytes, bytes]) -> None:
        """Keep these, sooner or later, or not; never waits."""


class MemoryCache:
    """The last `most` rows that were asked for, of one process."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._kept: OrderedDict[bytes, bytes] = OrderedDict()

    async def get(self, keys: Sequence[bytes]) -> list[bytes | None]:
        """See `Cache.get`."""
        found = [self._kept.get(key) for key in keys]
        for key, value in zip(keys, found, strict=True):
            if value is not None:
                self._kept.move_to_end(key)
        return found

    def put(self, found: Mapping[bytes, bytes]) -> None:
        """See `Cache.put`."""
        self._kept.update(found)
        while len(self._kept) > self._most:
            self._kept.popitem(last=False)


def open_cache(url: str | None) -> Cache | None:
    """The cache that a setting such as `memory:10000` or `redis://host:6379/0` means, if any.

    Nothing is connected yet. Raises `EnvironmentFault` where the library is not installed, and
    `UsageError` for what is no address.
    """
    if url is None:
        return None
    if url.startswith(_MEMORY):
        return MemoryCache(int(url.removeprefix(_MEMORY)))
    cache: Cache = load_adapter("mlops_cli.serving.redis_cache", extra="redis").RedisCache(url)
    return cache


class CachingBatcher(MicroBatcher):
    """Looks single rows up before the model is asked. A list is not: a row of one costs less."""

    def __init__(self, predictor: Predictor, digest: str, cache: Cache, metrics: Metrics) -> None:
        super().__init__(predictor)
        self._digest = digest.encode()
        self._cache = cache
        self._metrics = metrics
        self._shape = shape_of(predictor.manifest)
        self._size = 8 * (self._shape[0] if self._shape else 1)  # bytes of a row's numbers
        self._under_way: set[asyncio.Task[None]] = set()

    def _work(self, came: Came) -> None:
        task = asyncio.ensure_future(self._look_up(came))
        self._under_way.add(task)
        task.add_done_callback(self._under_way.discard)

    async def _look_up(self, came: Came) -> None:
        try:
            await self._answer(came)
        except Exception as e:  # noqa: BLE001  # handed to each request that waits, not swallowed
            fail(came, e)

    async def _answer(self, came: Came) -> None:
        matrix = self._predictor.matrix([row for row, _ in came])
        keys = [sha256(self._digest + row.tobytes()).digest() for row in matrix]
        found = await self._found(keys)
        here = [i for i, (_, waiting) in enumerate(came) if not waiting.gone]
        known = [i for i in here if found[i] is not None]
        new = [i for i in here if found[i] is None]
        self._metrics.looked_up(len(known), len(here))
        if known:
            kept = b"".join(found[i] or b"" for i in known)
            numbers = np.frombuffer(kept).reshape(len(known), *self._shape)
            self._tell(matrix[known], numbers, [came[i] for i in known])
        if new:
            raw = self._predictor.numbers(matrix[new])
            self._tell(matrix[new], raw, [came[i] for i in new])
            rows = [row.tobytes() for row in np.asarray(raw, np.float64)]
            self._cache.put({keys[i]: row for i, row in zip(new, rows, strict=True)})

    async def _found(self, keys: Sequence[bytes]) -> list[bytes | None]:
        """What is kept of each row, if it is as long as a row's numbers are."""
        try:
            found = await self._cache.get(keys)
        except Exception:  # a cache that fails costs its help alone
            log.exception("the cache failed")
            return [None] * len(keys)
        return [value if value and len(value) == self._size else None for value in found]
