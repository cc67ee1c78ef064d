"""usage: fit.py     one fit of XGBoost on two threads, and how long it took"""

from __future__ import annotations

import json
import time

import numpy as np
import xgboost

random = np.random.default_rng(0)
matrix = random.normal(size=(100_000, 17)).astype(np.float32)
target = matrix[:, 0] + random.normal(size=len(matrix)) > 0
data = xgboost.QuantileDMatrix(matrix, target)
started = time.perf_counter()
xgboost.train({"objective": "binary:logistic", "nthread": 2, "max_depth": 6}, data, 40)
print(json.dumps({"seconds": time.perf_counter() - started}))
