"""usage: tree_shap.py BUNDLE ROWS     XGBoost's own TreeSHAP of so many rows of a ready matrix"""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path

import numpy as np
import xgboost as xgb

bundle, asked = Path(sys.argv[1]), int(sys.argv[2])
lines = (bundle / "golden.jsonl").read_text().splitlines()
rows = np.array([json.loads(line)["features"] for line in lines], np.float32)
matrix = np.resize(rows, (asked, rows.shape[1]))
booster = xgb.Booster(model_file=bundle / "model.ubj")
types = booster.feature_types
started = time.perf_counter()
data = xgb.DMatrix(matrix, feature_types=types, enable_categorical=types is not None)
booster.predict(data, pred_contribs=True)
print(json.dumps({"seconds": time.perf_counter() - started, "rows": len(matrix)}))
