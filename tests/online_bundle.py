"""A bundle one of whose features is looked up, the facts that it is made of, and events of it."""

from __future__ import annotations

import random
from datetime import timedelta
from pathlib import Path
from typing import Any

import msgspec

import bundles
from mlops_cli._files import sha256_of
from mlops_cli._json import canonical_json
from mlops_cli.bundle.manifest import MANIFEST, ONLINE, File, Manifest
from mlops_cli.bundle.online import OnlinePlan
from mlops_cli.config.sections.features import AggregateConfig
from mlops_cli.features.base import AggregateSource
from mlops_cli.serving.online.parts import plain
from online_store import BEGIN, TYPES, History, facts_of

MOMENT = BEGIN + timedelta(days=9, hours=12)


def airports(folder: Path) -> History:
    """Facts of the airports that the bundle's events are of; `temp` is their mean of a day."""
    draw = random.Random(3)
    facts = facts_of(draw, 2000)
    for fact in facts:
        fact["k"] = draw.choice(["JFK", "LGA", "EWR"])
    mean = AggregateConfig(name="temp", expr="avg(x)", table="facts.parquet", by=["k"],
        window="1d", lag="1h", source="online")  # fmt: skip
    source = AggregateSource(folder / "facts.parquet", TYPES, "ts", mean)
    made = History(folder, (), [source], [])
    made.write(facts)
    return made


def looked_up(folder: Path, history: History) -> Path:
    """A bundle whose `temp` is looked up by `origin` at `at`, with a ttl of two days."""
    bundles.write(folder)
    (feature,) = history.plan.features
    feature = msgspec.structs.replace(feature, keys=("origin",))
    ttl = 2 * 86_400_000_000
    plan = OnlinePlan((feature,), time="at", required=("origin",), ttl=ttl)
    (folder / ONLINE).write_bytes(canonical_json(plan))
    rewrite(folder)
    return folder


def rewrite(folder: Path, *, major: str = "2.0") -> None:
    """The manifest of a bundle whose `temp` is looked up."""
    manifest = msgspec.json.decode((folder / MANIFEST).read_bytes(), type=Manifest)
    inputs = tuple(
        msgspec.structs.replace(i, source="online") if i.name == "temp" else i
        for i in manifest.inputs
    )
    digest = sha256_of(folder / ONLINE)
    files = {**manifest.files, ONLINE: File(digest)}
    made = msgspec.structs.replace(manifest, inputs=inputs, files=files, format=major)
    (folder / MANIFEST).write_bytes(canonical_json(made))


def asked_and_whole(history: History, count: int = 30) -> tuple[list[Any], list[Any]]:
    """Events without `temp`, and the same with what `featurize` makes of it."""
    draw = random.Random(4)
    asked = []
    for event in bundles.events(count)[3:]:
        moment = MOMENT - timedelta(minutes=draw.randrange(10_000))
        asked.append({**event, "at": f"{moment.isoformat()}Z"})
        history.events.append({"k": event["origin"], "n": 1, "ts": moment})
    for event in asked:
        event.pop("temp")
    found = [plain(value) for (value,) in history.offline()]
    history.events.clear()
    return asked, [{**e, "temp": v} for e, v in zip(asked, found, strict=True)]
