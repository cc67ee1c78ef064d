"""usage: quantile_matrix.py TABLE     the table's matrix as XGBoost bins it, and nothing else

Column by column into one matrix of 32-bit floats, as who looks at memory does it.
"""

from __future__ import annotations

import json
import sys
import time

import numpy as np
import pyarrow.parquet as pq
import xgboost as xgb

file = pq.ParquetFile(sys.argv[1])
names = [name for name in file.schema_arrow.names if name != "y"]
started = time.perf_counter()
matrix = np.empty((file.metadata.num_rows, len(names)), np.float32)
for j, name in enumerate(names):
    matrix[:, j] = file.read([name])[name].to_numpy()
target = file.read(["y"])["y"].to_numpy()
data = xgb.QuantileDMatrix(matrix, target)
print(json.dumps({"seconds": time.perf_counter() - started, "rows": data.num_row()}))
