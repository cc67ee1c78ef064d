"""Random histories, the features that are looked up in them, and a store that holds them."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from mlops_cli.bundle.online import OnlinePlan
from mlops_cli.config.sections.features import AggregateConfig, JoinConfig
from mlops_cli.expressions.tree import ValueType
from mlops_cli.features.base import AggregateSource, JoinSource
from mlops_cli.features.events import Events, Rejected, events_sql
from mlops_cli.features.materialize import open_buckets
from mlops_cli.features.online import online_rows, online_sources
from mlops_cli.serving.online.base import State, Store, Writer
from mlops_cli.serving.online.lookup import Looked, Lookup, Wanted
from mlops_cli.serving.online.parts import micros
from mlops_cli.tables import open_engine

BEGIN = datetime(2013, 1, 1)
LATER = micros(datetime(2030, 1, 1))
TYPES: dict[str, ValueType] = {
    "k": "text", "n": "integer", "ts": "timestamp", "x": "float", "i": "integer", "s": "text",
    "b": "boolean", "d": "timestamp",
}  # fmt: skip
_ARROW = {
    "text": pa.string(), "integer": pa.int64(), "timestamp": pa.timestamp("us"),
    "float": pa.float64(), "boolean": pa.bool_(),
}  # fmt: skip
KEYS: dict[str, ValueType] = {name: TYPES[name] for name in ("k", "n", "ts")}
EXPRESSIONS = (
    "sum(x)", "count(x)", "count(*)", "avg(x)", "stddev(x)", "min(x)", "max(x)", "first(s)",
    "last(s)", "count(distinct s)", "count(distinct x)", "min(s)", "max(i)", "sum(i) / count(*)",
    "avg(b)", "min(b)", "epoch(max(d))", "avg(x) - min(i)", "count(distinct i) * 1.0 / count(*)",
)  # fmt: skip
Row = dict[str, Any]


@dataclass
class History:
    """A table of facts, the features of it, and events whose features are asked for."""

    folder: Path
    joins: Sequence[JoinSource]
    aggregates: Sequence[AggregateSource]
    events: list[Row]

    @property
    def plan(self) -> OnlinePlan:
        sources = online_sources(self.joins, self.aggregates)
        return OnlinePlan(tuple(f for source in sources for f in source.features), time="ts")

    @property
    def names(self) -> list[str]:
        return [feature.name for feature in self.plan.features]

    def write(self, facts: list[Row]) -> None:
        schema = pa.schema([(n, _ARROW[TYPES[n]]) for n in TYPES])
        pq.write_table(pa.Table.from_pylist(facts, schema), self.folder / "facts.parquet")

    def fill(self, writer: Writer, until: int = LATER) -> int:
        """How many buckets changed."""
        with open_engine() as engine:
            sources = online_sources(self.joins, self.aggregates)
            rows = list(online_rows(engine, sources, Rejected(None), until))
            buckets = open_buckets(engine, rows, writer.state())
            return writer.replace(State(until, until, buckets.groups), buckets.chunks())

    def offline(self) -> list[tuple[Any, ...]]:
        """What `featurize` makes of each event, features in the plan's order."""
        file = self.folder / "events.parquet"
        schema = pa.schema([(n, _ARROW[KEYS[n]]) for n in KEYS])
        pq.write_table(pa.Table.from_pylist(self.events, schema), file)
        asked = Events(KEYS, "ts", self.joins, self.names, (), aggregates=self.aggregates)
        with open_engine() as engine:
            sql = events_sql(engine, asked, engine.typed(file, KEYS), Rejected(None))
            cells = ", ".join(f'"{name}"' for name in self.names)
            return engine.rows(f"select {cells} from ({sql}) order by __row__")

    def online(
        self, store: Store, lookup: Lookup | None = None, *, at_once: int = 1
    ) -> list[dict[str, Any]]:
        """What the store has of each event, so many in one question, as a server asks of a list."""
        lookup, names = lookup or Lookup(self.plan), self.names
        wanted = [Wanted(micros(e["ts"]), {"k": e["k"], "n": e["n"]}, names) for e in self.events]
        return [
            dict(found.values)
            for begin in range(0, len(wanted), at_once)
            for found in looked(store, lookup, wanted[begin : begin + at_once])
        ]


def looked(store: Store, lookup: Lookup, wanted: Sequence[Wanted]) -> list[Looked]:
    """What a store that answers at once has of these."""
    steps = lookup.steps(wanted)
    asks = next(steps)
    while True:
        try:
            asks = steps.send(store.read(asks))
        except StopIteration as e:
            found: list[Looked] = e.value
            return found


def facts_of(draw: random.Random, count: int, days: int = 20) -> list[Row]:
    """Facts with ties (most moments are whole hours), nulls in every column and late rows."""
    moment = _moments(draw, days)
    kinds: dict[str, Callable[[], Any]] = {
        "k": lambda: draw.choice(["a", "b", "ä", None]),
        "n": lambda: draw.choice([1, 2, None]),
        "ts": lambda: None if draw.random() < 0.05 else moment(),
        "x": lambda: draw.choice([None, draw.gauss(0, 1e3), float(draw.randrange(4)), 1e-3]),
        "i": lambda: draw.choice([None, draw.randrange(-5, 5)]),
        "s": lambda: draw.choice([None, "u", "v", "ß"]),
        "b": lambda: draw.choice([None, True, False]),
        "d": lambda: draw.choice([None, moment()]),
    }
    return [{name: make() for name, make in kinds.items()} for _ in range(count)]


def _moments(draw: random.Random, days: int) -> Callable[[], datetime]:
    hours = 24 * days
    return lambda: (
        BEGIN
        + (
            timedelta(hours=draw.randrange(hours))
            if draw.random() < 0.7
            else timedelta(microseconds=draw.randrange(hours * 3_600_000_000))
        )
    )


def history_of(folder: Path, draw: random.Random, facts: list[Row], events: int) -> History:
    """Every aggregate by one key or by two, joins of one, two and no keys; events on edges."""
    aggregates = [
        AggregateConfig(
            name=f"a{place}",
            expr=expression,
            table="facts.parquet",
            by=draw.choice([["k"], ["k", "n"]]),
            window=draw.choice(["1h", "6h", "1d", "3d", "2w"]),
            lag=draw.choice(["0s", "1h", "1s"]),
            source="online",
        )
        for place, expression in enumerate(EXPRESSIONS)
    ]
    common: dict[str, Any] = {"table": "facts.parquet", "asof": "ts", "source": "online"}
    joins = [
        JoinConfig(on=["k"], lag="1h", columns=["x", "s"], **common),
        JoinConfig(on=["k", "n"], ttl="5h", columns=["i", "b"], **common),
        JoinConfig(on=[], columns=["d"], **common),
    ]
    file, moment = folder / "facts.parquet", _moments(draw, 22)
    times = [fact["ts"] for fact in facts if fact["ts"] is not None] or [BEGIN]
    made = History(
        folder,
        [JoinSource(file, TYPES, join) for join in joins],
        [AggregateSource(file, TYPES, "ts", a) for a in aggregates],
        [
            {
                "k": draw.choice(["a", "b", "ä", "nobody", None]),
                "n": draw.choice([1, 2, 3, None]),
                "ts": draw.choice([moment(), *(draw.choice(times) + edge for edge in _EDGES)]),
            }
            for _ in range(events)
        ],
    )
    made.write(facts)
    return made


_EDGES = [
    timedelta(0),
    timedelta(microseconds=1),
    timedelta(microseconds=-1),
    timedelta(hours=1),
    timedelta(hours=5),
    timedelta(days=1, hours=1),
]


def differing(
    names: Sequence[str],
    online: Sequence[dict[str, Any]],
    offline: Sequence[tuple[Any, ...]],
    tolerance: float = 1e-9,
) -> list[str]:
    """What is not the same: floats within `tolerance` of the larger of 1 and their size."""

    def same(a: Any, b: Any) -> bool:
        if isinstance(a, float) and isinstance(b, float):
            return abs(a - b) <= tolerance * max(1.0, abs(b)) or (a != a and b != b)
        return type(a) is type(b) and bool(a == b)

    return [
        f"event {place}: {name} is {found[name]!r} online and {cell!r} offline"
        for place, (found, row) in enumerate(zip(online, offline, strict=True))
        for name, cell in zip(names, row, strict=True)
        if not same(found[name], cell)
    ]
