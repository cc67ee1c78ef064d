"""The port of a cluster: tasks that send each other parcels by number.

What makes a number is our own SQL and our own runtime in each task; a cluster hands parcels round
and starts again what was lost. A parcel is bytes, and a task may run twice: it has to send the same
parcels again, and to write a file whole or not at all.
"""

from __future__ import annotations

import pickle
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any, Protocol, TypeAlias, TypeVar

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from mlops_cli.errors import EnvironmentFault, MlopsError, error_of_exit_code
from mlops_cli.tables.base import Engine
from mlops_cli.tables.file_watch import parts_of

T = TypeVar("T")

Parcel: TypeAlias = tuple[int, bytes]
Parcels: TypeAlias = Any
"""What a cluster knows of parcels that need not have been made yet."""

FAULT, NOTE = -1, -2
"""Numbers below 0 reach the one who collects as they are: an error, and what there is to tell."""
_LEAST = 10_000  # rows of a task: fewer are not worth the way


class Cluster(Protocol):
    """Runs tasks in other processes; a context manager that gives them back.

    The functions are handed over by pickle, and so is what they are given. An `MlopsError` in a
    task is raised where the parcels are collected.
    """

    slots: int
    """How many tasks run at one time."""

    def __enter__(self) -> Cluster:
        """The cluster itself, with workers that answer."""

    def __exit__(self, *exc: object) -> None:
        """Give the workers back."""

    def made(self, items: Sequence[T], work: Callable[[T], Iterable[Parcel]]) -> Parcels:
        """What `work` sends of each of `items`, a task an item."""

    def together(self, *parcels: Parcels) -> Parcels:
        """All of them."""

    def merged(
        self, parcels: Parcels, work: Callable[[int, list[bytes]], Iterable[Parcel]]
    ) -> Parcels:
        """What `work` sends of all parcels of one number, in no promised order."""

    def collected(self, parcels: Parcels) -> list[Parcel]:
        """Make them, and bring them here; ordered by number. Raises what a task raised."""


@dataclass(frozen=True, slots=True)
class Split:
    """The rows `start` to `stop` (None: all) of a table, by their numbers."""

    path: Path
    start: int = 0
    stop: int | None = None


def splits_of(engine: Engine, path: Path, rows: int, slots: int) -> list[Split]:
    """The table in splits of at most `rows` rows, enough of them for all `slots` if it is large.

    A CSV file is one split: where a row of it begins only who reads it from the start can know.
    """
    if not (parts_of(path) or path.name.lower().endswith((".parquet", ".pq"))):
        return [Split(path)]
    total = int(engine.rows(f"select count(*) from {engine.raw(path)}")[0][0])
    size = min(rows, max(_LEAST, -(-total // (2 * slots))))
    return [Split(path, at, min(at + size, total)) for at in range(0, total, size)] or [Split(path)]


VERSIONS = ("mlops-cli", "duckdb", "pyarrow", "numpy")
"""Packages that have to be the same on every worker, for the same numbers."""


def versions(_: int = 0) -> Iterator[Parcel]:
    """A task that tells of which versions they are where it runs."""
    yield 0, sent({name: version(name) for name in VERSIONS})


def check_versions(cluster: Cluster) -> None:
    """Raise `EnvironmentFault` where a worker has another version of a package that counts."""
    ((_, here),) = versions()
    wanted = received(here)
    for _, told in cluster.collected(cluster.made(range(cluster.slots), versions)):
        for name, found in received(told).items():
            if found != wanted[name]:
                raise EnvironmentFault(
                    f"a worker has {name} {found}, and here it is {wanted[name]}",
                    hint=f"pip install '{name}=={wanted[name]}' on every worker",
                )


def sent(value: object) -> bytes:
    """What a task tells, as a parcel."""
    return pickle.dumps(value)


def received(parcel: bytes) -> Any:
    """What `sent` was given."""
    return pickle.loads(parcel)  # noqa: S301  from a task of ours


def packed(table: pa.Table) -> bytes:
    """A table as a parcel."""
    sink = pa.BufferOutputStream()
    options = pa.ipc.IpcWriteOptions(compression="zstd")
    with pa.ipc.new_stream(sink, table.schema, options=options) as writer:
        writer.write_table(table)
    content: bytes = sink.getvalue().to_pybytes()
    return content


def unpacked(parcels: Sequence[bytes | memoryview]) -> pa.Table:
    """The tables of the parcels, one behind the other."""
    return pa.concat_tables([pa.ipc.open_stream(parcel).read_all() for parcel in parcels])


def parcelled(table: pa.Table, numbers: NDArray[np.int64], tag: int) -> Iterator[Parcel]:
    """The table's rows by number, n of each, in their order; `tag` tells what table it is."""
    if not len(numbers):
        return
    order = np.argsort(numbers, kind="stable")
    ordered = numbers[order]
    table = table.take(pa.array(order))
    starts = np.flatnonzero(np.diff(ordered, prepend=ordered[:1] - 1))
    for start, stop in zip(starts, [*starts[1:], len(ordered)], strict=True):
        yield int(ordered[start]), bytes([tag]) + packed(table.slice(start, stop - start))


def by_tag(parcels: Iterable[bytes]) -> dict[int, pa.Table]:
    """What `parcelled` sent, whole again, by tag."""
    tagged: dict[int, list[memoryview]] = {}
    for parcel in parcels:
        tagged.setdefault(parcel[0], []).append(memoryview(parcel)[1:])
    return {tag: unpacked(found) for tag, found in tagged.items()}


def guarded(work: Callable[..., Iterable[Parcel]], place: int, *given: Any) -> Iterator[Parcel]:
    """What the task of this place sends, or the error that a user can fix as a parcel."""
    try:
        yield from work(*given)
    except MlopsError as e:
        yield FAULT, sent((place, e.exit_code, e.message, e.hint))


def guarded_merge(
    work: Callable[[int, list[bytes]], Iterable[Parcel]], number: int, parcels: list[bytes]
) -> Iterator[Parcel]:
    """As `guarded`; what is on its way to the one who collects goes on."""
    if number < 0:
        return iter([(number, parcel) for parcel in parcels])
    return guarded(work, number, number, parcels)


def checked(parcels: Iterable[Parcel]) -> list[Parcel]:
    """The parcels by number; raises the first error by place that is among them."""
    ordered = sorted(parcels)
    faults = [received(content) for number, content in ordered if number == FAULT]
    if faults:
        raise error_of_exit_code(*min(faults, key=lambda fault: fault[0])[1:])
    return ordered
