"""usage: feast_history.py FOLDER     Feast's historical retrieval of the levels at all events

The five features are columns of the source, ready: Feast makes no windows.
"""

from __future__ import annotations

import json
import sys
import tempfile
import time
from datetime import timedelta
from pathlib import Path

import pandas as pd
from feast import Entity, FeatureStore, FeatureView, Field, FileSource, RepoConfig, ValueType
from feast.types import Float64

NAMES = ["level", "mean_week", "most_month", "count_day", "total_week"]
folder = Path(sys.argv[1])
with tempfile.TemporaryDirectory() as scratch:
    source = Path(scratch, "levels.parquet")
    levels = pd.read_parquet(folder / "levels.parquet")
    levels["event_timestamp"] = levels.pop("at").dt.tz_localize("UTC") + timedelta(hours=1)
    for name in NAMES:
        levels[name] = levels["level"]
    levels.to_parquet(source, index=False)
    store = FeatureStore(
        config=RepoConfig(
            project="bench",
            provider="local",
            registry=f"{scratch}/registry.db",
            online_store={"type": "sqlite", "path": f"{scratch}/online.db"},
            offline_store={"type": "file"},
            entity_key_serialization_version=3,
        )
    )
    entity = Entity(name="k", join_keys=["k"], value_type=ValueType.INT32)
    view = FeatureView(
        name="levels",
        entities=[entity],
        ttl=timedelta(0),
        schema=[Field(name=name, dtype=Float64) for name in NAMES],
        source=FileSource(path=str(source), timestamp_field="event_timestamp"),
    )
    store.apply([entity, view])
    events = pd.read_parquet(folder / "events.parquet", columns=["id", "k", "at"])
    events["event_timestamp"] = events.pop("at").dt.tz_localize("UTC")
    started = time.perf_counter()
    made = store.get_historical_features(events, [f"levels:{name}" for name in NAMES]).to_df()
    seconds = time.perf_counter() - started
print(json.dumps({"seconds": seconds, "rows": len(made)}))
