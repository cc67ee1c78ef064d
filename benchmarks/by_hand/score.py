"""usage: score.py BUNDLE FILE     XGBoost's `inplace_predict` alone, on a matrix that is ready"""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path

import numpy as np
import pandas as pd
import xgboost as xgb

bundle, file = map(Path, sys.argv[1:])
features = json.loads((bundle / "manifest.json").read_text())["features"]
rows = pd.read_parquet(file)
rows["dow"] = pd.to_datetime(rows[["year", "month", "day"]]).dt.dayofweek.add(1).mod(7)
matrix = np.empty((len(rows), len(features)), np.float32)
for j, feature in enumerate(features):
    column = rows[feature["name"]]
    if feature["kind"] == "category":
        column = pd.Categorical(column, feature["categories"]).codes
    matrix[:, j] = column
booster = xgb.Booster(model_file=bundle / "model.ubj")
started = time.perf_counter()
booster.inplace_predict(matrix)
print(json.dumps({"seconds": time.perf_counter() - started, "rows": len(matrix)}))
