"""usage: ready.py BUNDLE MATRIX THREADS     `inplace_predict`, again and again; THREADS 0: all"""

from __future__ import annotations

import json
import statistics
import sys
import time

import numpy as np
import xgboost as xgb

bundle, file, threads = sys.argv[1:]
matrix = np.load(file)
booster = xgb.Booster(model_file=f"{bundle}/model.ubj")
if int(threads):
    booster.set_param({"nthread": int(threads)})
taken = []
until = time.perf_counter() + 3
while time.perf_counter() < until:
    started = time.perf_counter()
    booster.inplace_predict(matrix)
    taken.append(time.perf_counter() - started)
print(json.dumps({"p50": statistics.median(taken) * 1000, "calls": len(taken)}))
