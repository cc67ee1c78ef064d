"""usage: wide.py PROJECT     the trials of a search once more, by XGBoost alone

The project's features as one matrix; the first 60 % of the rows to fit on, the next 20 % to judge
by. `tune/trials.csv` has the parameters and the rounds of each trial.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import xgboost as xgb

root = Path(sys.argv[1])
table = pd.read_parquet(root / "data/features.parquet")
target = table["__target__"].to_numpy(np.float32)
names = [name for name in table.columns if not name.startswith("__")]
matrix = table[names].to_numpy(np.float32)
first, second = int(0.6 * len(matrix)), int(0.8 * len(matrix))
fitted = xgb.QuantileDMatrix(matrix[:first], target[:first])
judged = xgb.QuantileDMatrix(matrix[first:second], target[first:second], ref=fitted)
trials = pd.read_csv(root / "tune/trials.csv").set_index("trial")
fixed = {"objective": "binary:logistic", "tree_method": "hist", "eval_metric": "logloss"}
rounds = 0
for trial in trials.drop(columns=["state", "score", "rounds"]).to_dict("records"):
    ran = int(trial.pop("ran"))
    params = {name: int(v) if float(v).is_integer() else v for name, v in trial.items()}
    evals = [(judged, "validation")]
    xgb.train({**fixed, **params}, fitted, ran, evals=evals, verbose_eval=False)
    rounds += ran
print(json.dumps({"rounds": rounds}))
