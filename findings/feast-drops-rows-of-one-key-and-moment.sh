#!/usr/bin/env bash
# Feast 0.67.0 (PyPI): a point-in-time join gives back fewer rows than it was asked for.
#
# A good engineer would guess that `get_historical_features` answers each row of `entity_df` with
# one row, as a left join in time does: a training table keeps its rows, and their order or number
# can be relied on where the target stands beside it.
#
# Why it matters: two rows of one `shop` and one moment that differ in another entity (`till`), or
# only in a column that is no key, become one, without a word, as soon as the file store joins a
# view by `shop` alone. Rows of training vanish, and a target that is put beside by position is off.
#
# Seen:
#   asked: 4, answered: 2; kept: [1, 3]
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check "feast==0.67.0"
cd "$folder"
said=$(venv/bin/python - 2>/dev/null <<'PY'
from datetime import datetime, timedelta, timezone

import pandas as pd
from feast import Entity, FeatureStore, FeatureView, Field, FileSource, RepoConfig, ValueType
from feast.types import Float64

day = datetime(2024, 1, 1, tzinfo=timezone.utc)
pd.DataFrame({"shop": ["a"], "at": [day], "sold": [7.0]}).to_parquet("sold.parquet")
shop = Entity(name="shop", join_keys=["shop"], value_type=ValueType.STRING)
view = FeatureView(name="by_shop", entities=[shop], ttl=timedelta(0),
    schema=[Field(name="sold", dtype=Float64)],
    source=FileSource(path="sold.parquet", timestamp_field="at"))
config = RepoConfig(project="p", provider="local", registry="registry.db",
    offline_store={"type": "file"}, online_store=None, entity_key_serialization_version=3)
store = FeatureStore(config=config)
store.apply([shop, view])
asked = pd.DataFrame({"shop": ["a"] * 4, "till": [1, 1, 2, 2], "row": [0, 1, 2, 3],
    "event_timestamp": [day + timedelta(days=d) for d in (1, 1, 2, 2)]})
found = store.get_historical_features(entity_df=asked, features=["by_shop:sold"]).to_df()
print(f"asked: {len(asked)}, answered: {len(found)}; kept: {sorted(found['row'].tolist())}")
PY
)
echo "$said"
[ "$said" = "asked: 4, answered: 2; kept: [1, 3]" ]
