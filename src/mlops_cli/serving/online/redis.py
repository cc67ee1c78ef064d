"""An online store in Redis: all of a change in one transaction, all of a read in another.

Under `mlops:online:{PROJECT}:` stand `state`, `keys:GROUP` (a hash: the digest of what each key
has), and for each key two sorted sets by bucket: `totals:GROUP:KEY` and `moments:GROUP:KEY`, whose
members are the bucket in 8 bytes and the content.
"""

from __future__ import annotations

import asyncio
import hashlib
import struct
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from itertools import groupby
from types import TracebackType
from typing import Any

import msgspec
import redis
import redis.asyncio
from redis.asyncio.retry import Retry as AsyncRetry
from redis.backoff import NoBackoff
from redis.exceptions import (
    AuthenticationError,
    OutOfMemoryError,
    RedisError,
    ResponseError,
    WatchError,
)
from redis.retry import Retry

from mlops_cli.errors import EnvironmentFault, UsageError
from mlops_cli.serving.online.base import Ask, Chunk, State, StoreAway, Told, decode_state
from mlops_cli.serving.redis_address import HINT, filled

PATIENCE = 0.1  # seconds that a request waits for Redis, connecting included
_WRITER = 30.0  # seconds that a writer waits for one answer
_CONNECTIONS = 32
_CLOSED = 1.0  # seconds in which nobody asks a Redis that was away
_TIMES = 3  # that it fails in a row before it counts as away
_FAULTS = (RedisError, OSError, TimeoutError)
_BUCKET = struct.Struct(">q")
Command = tuple[bytes | str | int, ...]
_EVICTS = "allkeys"  # begins a policy under which Redis drops keys of its own accord


class _Names:
    """The keys of a project's store."""

    def __init__(self, project: str) -> None:
        self._prefix = b"mlops:online:{%b}:" % project.encode()
        self.state = self._prefix + b"state"

    def keys(self, group: str) -> bytes:
        return self._prefix + b"keys:%b" % group.encode()

    def of(self, kind: bytes, group: str, key: bytes) -> bytes:
        return self._prefix + b"%b:%b:%b" % (kind, group.encode(), key)


def _commands(names: _Names, asks: Sequence[Ask]) -> list[Command]:
    """The state, what is asked for, and the state again: if it is the same, nobody wrote."""
    found: list[Command] = [("GET", names.state)]
    for ask in asks:
        moments = names.of(b"moments", ask.group, ask.key)
        if ask.first is not None and ask.last is not None:
            totals = names.of(b"totals", ask.group, ask.key)
            found.append(("ZRANGEBYSCORE", totals, ask.first, ask.last))
        found += [("ZRANGEBYSCORE", moments, b, b) for b in sorted(ask.edges)]
        found += [
            ("ZREVRANGEBYSCORE", moments, b, "-inf", "LIMIT", 0, 2) for b in sorted(ask.latest)
        ]
    return [*found, found[0]]


def _told(asks: Sequence[Ask], found: Sequence[Any]) -> tuple[bytes | None, list[Told]]:
    answers = iter(found)
    raw, told = next(answers), []
    for ask in asks:
        wants = ask.first is not None and ask.last is not None
        totals = dict(_members(next(answers))) if wants else {}
        moments: dict[int, bytes] = {}
        for _ in range(len(ask.edges) + len(ask.latest)):
            moments.update(_members(next(answers)))
        told.append(Told(totals, moments))
    return raw, told


def _members(found: Sequence[bytes]) -> Iterator[tuple[int, bytes]]:
    return ((_BUCKET.unpack_from(member)[0], member[_BUCKET.size :]) for member in found)


class RedisReader:
    """For a server: an answer within `PATIENCE`, or none; one that was away is not asked at once.

    One round trip without `MULTI`, whose every command has an answer of its own that the client
    has to read: the state stands before and behind what is read, and whoever writes changes it.
    Raises `UsageError` for what is no address of Redis.
    """

    def __init__(self, url: str, project: str, setting: str) -> None:
        self._names = _Names(project)
        try:
            # Of a pool of the library's only what makes a connection: its own hand-over and its
            # timers cost as much as the answer. Who asks has a timer round all of it.
            pool: Any = redis.asyncio.ConnectionPool.from_url(
                filled(url, setting),
                socket_timeout=None,
                socket_connect_timeout=PATIENCE,
                retry=AsyncRetry(NoBackoff(), 0),  # by default a dead server costs seconds a call
            )
        except ValueError as e:  # its text may hold the password
            raise UsageError(f"{setting} is no address of Redis", hint=HINT) from e
        self._made: Callable[[], Any] = pool.make_connection
        self._idle: list[Any] = []
        self._places = asyncio.Semaphore(_CONNECTIONS)
        self._closed = float("-inf")
        self._failed = 0

    async def read(self, asks: Sequence[Ask]) -> tuple[bytes | None, list[Told]]:
        """See `Store.read`."""
        if time.monotonic() < self._closed:
            raise StoreAway("the online store does not answer")
        try:
            async with asyncio.timeout(2 * PATIENCE), self._places:
                found = await self._answers(_commands(self._names, asks))
        except _FAULTS as e:
            self._failed += 1
            if self._failed >= _TIMES:
                self._closed = time.monotonic() + _CLOSED
            raise StoreAway(f"the online store does not answer: {type(e).__name__}") from e
        self._failed = 0
        return _told(asks, found)

    async def aclose(self) -> None:
        """Let go of the connections that nobody uses."""
        while self._idle:
            await self._idle.pop().disconnect()

    async def _answers(self, commands: Sequence[Command]) -> list[Any]:
        """What Redis has of all of them at one moment."""
        connection = await self._connection()
        try:
            packed = connection.pack_commands(commands)
            while True:
                await connection.send_packed_command(packed, check_health=False)
                found = [await connection.read_response(disable_decoding=True) for _ in commands]
                if found[0] == found[-1]:
                    break
        except BaseException:
            await connection.disconnect(nowait=True)
            raise
        self._idle.append(connection)
        return found[:-1]

    async def _connection(self) -> Any:
        """One that is idle and open, or a new one."""
        while self._idle:
            connection = self._idle.pop()
            if not await _is_over(connection):
                return connection
            await connection.disconnect(nowait=True)
        connection = self._made()
        await connection.connect()
        return connection


async def _is_over(connection: Any) -> bool:
    """Whether the server has closed it, or says what nobody asked for."""
    try:
        return bool(await connection.can_read())
    except (RedisError, OSError):
        return True


class RedisStore:
    """For a command: reads and writes, and waits longer."""

    def __init__(self, url: str, project: str, setting: str) -> None:
        self._names = _Names(project)
        try:
            self._client: Any = redis.Redis.from_url(
                filled(url, setting),
                socket_timeout=_WRITER,
                socket_connect_timeout=5.0,
                retry=Retry(NoBackoff(), 0),
            )
        except ValueError as e:  # its text may hold the password
            raise UsageError(f"{setting} is no address of Redis", hint=HINT) from e
        place = self._client.connection_pool.connection_kwargs
        self._at = f"Redis at {place.get('host', 'localhost')}:{place.get('port', 6379)}"

    def __enter__(self) -> RedisStore:
        """See `Writer`."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, e: BaseException | None, at: TracebackType | None
    ) -> None:
        """See `Writer`."""
        self._client.close()

    def read(self, asks: Sequence[Ask]) -> tuple[bytes | None, list[Told]]:
        """See `Store.read`."""
        try:
            pipeline = self._client.pipeline(transaction=True)
            for command in _commands(self._names, asks):
                pipeline.execute_command(*command)
            return _told(asks, pipeline.execute())
        except _FAULTS as e:
            raise StoreAway(f"{self._at} does not answer: {_why(e)}") from e

    def state(self) -> State | None:
        """See `Writer.state`."""
        with self._faults():
            return decode_state(self._client.get(self._names.state))

    def replace(self, state: State, chunks: Iterable[Chunk]) -> int:
        """See `Writer.replace`."""
        with self._faults(), self._client.pipeline(transaction=True) as pipeline:
            self._refuse_eviction()
            pipeline.watch(self._names.state)
            before = decode_state(pipeline.get(self._names.state))
            pipeline.multi()
            left = dict.fromkeys([*(before.groups if before else ()), *state.groups])
            changed = 0
            for group, of_group in groupby(chunks, key=lambda chunk: chunk.group):
                left.pop(group, None)
                changed += self._replace_group(pipeline, group, of_group)
            for group in left:  # of which no row is left, or which nobody asks for any more
                changed += self._replace_group(pipeline, group, ())
            pipeline.set(self._names.state, msgspec.json.encode(state))
            pipeline.execute()
        return changed

    def _replace_group(self, pipeline: Any, group: str, chunks: Iterable[Chunk]) -> int:
        names, changed = self._names, 0
        known = self._client.hgetall(names.keys(group))
        for key, of_key in groupby(chunks, key=lambda chunk: chunk.key):
            wanted = {chunk.bucket: chunk for chunk in of_key}
            digest, had = _digest(wanted.values()), known.pop(key, None)
            if had != digest:
                changed += self._replace_key(pipeline, (group, key), wanted, new=had is None)
                pipeline.hset(names.keys(group), key, digest)
        for key in known:
            changed += self._replace_key(pipeline, (group, key), {}, new=False)
            pipeline.hdel(names.keys(group), key)
        return changed

    def _replace_key(
        self, pipeline: Any, of: tuple[str, bytes], wanted: Mapping[int, Chunk], *, new: bool
    ) -> int:
        """Have these buckets of a key; returns how many were written or removed."""
        touched: set[int] = set()
        for kind in (b"totals", b"moments"):
            name = self._names.of(kind, *of)
            there = {} if new else dict(_members(self._client.zrange(name, 0, -1)))
            contents = {b: c.totals if kind == b"totals" else c.moments for b, c in wanted.items()}
            for bucket, content in there.items():
                if contents.get(bucket) != content:
                    pipeline.zremrangebyscore(name, bucket, bucket)
                    touched.add(bucket)
            added = {
                _BUCKET.pack(bucket) + content: bucket
                for bucket, content in contents.items()
                if there.get(bucket) != content
            }
            if added:
                pipeline.zadd(name, added)
                touched.update(added.values())
        return len(touched)

    def _refuse_eviction(self) -> None:
        """A store that drops keys of its own accord would give wrong numbers, and no error."""
        try:
            found = self._client.info("memory")
        except ResponseError:  # who may not ask has to know
            return
        policy = str(found.get("maxmemory_policy", ""))
        if found.get("maxmemory") and policy.startswith(_EVICTS):
            raise EnvironmentFault(
                f"{self._at} drops keys when it is full (maxmemory-policy {policy}): features "
                "would be missing and nobody would see it",
                hint="config set maxmemory-policy noeviction, or a Redis of its own",
            )

    @contextmanager
    def _faults(self) -> Iterator[None]:
        try:
            yield
        except WatchError as e:
            raise EnvironmentFault(
                f"another process filled the online store in {self._at}", hint="try again"
            ) from e
        except _FAULTS as e:
            full = isinstance(e, OutOfMemoryError) or "OOM" in str(e)
            said = "is full: nothing was written" if full else f"does not answer: {_why(e)}"
            hint = "give it more memory (maxmemory)" if full else "check features.online"
            raise EnvironmentFault(f"{self._at} {said}", hint=hint) from e


def _digest(chunks: Iterable[Chunk]) -> bytes:
    made = hashlib.blake2b(digest_size=16)
    for chunk in chunks:
        made.update(msgspec.msgpack.encode((chunk.bucket, chunk.totals, chunk.moments)))
    return made.digest()


def _why(e: BaseException) -> str:
    if isinstance(e, AuthenticationError):
        return "it refuses the password"
    return f"{type(e).__name__}: {str(e)[:120]}"
