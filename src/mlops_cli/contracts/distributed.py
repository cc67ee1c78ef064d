"""The pass over every row and rule of a contract, by the tasks of a cluster."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial, reduce
from pathlib import Path

from mlops_cli.config.project import Project
from mlops_cli.contracts.counting import Asked, Count, Counted, count_rows
from mlops_cli.contracts.model import Contract
from mlops_cli.tables import open_cluster
from mlops_cli.tables.base import Engine
from mlops_cli.tables.cluster import Cluster, Parcel, Split, received, sent, splits_of
from mlops_cli.tables.part import PartEngine


@contextmanager
def counting(project: Project) -> Iterator[Count]:
    """How to count what breaks a contract: in this process, or on the cluster of `mlops.yaml`."""
    if not project.config.engine.spark:
        yield count_rows
        return
    with open_cluster(project.config.engine) as cluster:
        yield partial(_count_on, cluster, project.config.engine.rows)


def _count_on(
    cluster: Cluster, most: int, engine: Engine, path: Path, contract: Contract, asked: Asked
) -> Counted:
    splits = splits_of(engine, path, most, cluster.slots)
    made = cluster.collected(cluster.made(splits, partial(_counted, contract, asked)))
    whole: Counted = reduce(_sum, (received(content) for _, content in made))
    return whole


def _counted(contract: Contract, asked: Asked, split: Split) -> Iterator[Parcel]:
    with PartEngine() as engine:
        yield split.start, sent(count_rows(engine, engine.narrow(split), contract, asked))


def _sum(one: Counted, other: Counted) -> Counted:
    moments = [m for m in (one.newest, other.newest) if m is not None]
    return Counted(
        one.rows + other.rows,
        max(moments, default=None),
        one.timeless + other.timeless,
        tuple(a + b for a, b in zip(one.broken, other.broken, strict=True)),
    )
