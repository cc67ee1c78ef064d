"""usage: estimate.py FILE     ROC AUC without labels by window, and with them, of a table"""

from __future__ import annotations

import json
import sys
import time

import pandas as pd
from sklearn.metrics import roc_auc_score

from mlops_cli.monitoring.performance.estimate import estimate, scores_of

table = pd.read_parquet(sys.argv[1])
started = time.process_time()
reference = table[table.part < 0]
scores = scores_of("binary", reference.y.to_numpy(float), reference.score.to_numpy(float))
windows = {str(k): w for k, w in table[table.part >= 0].groupby("part")}
estimates = {k: estimate("binary", scores, w.score.to_numpy(float)) for k, w in windows.items()}
seconds = time.process_time() - started
auc = {k: e["roc_auc"] for k, e in estimates.items() if "roc_auc" in e}
print(
    json.dumps(
        {
            "seconds": seconds,
            "roc_auc": {k: e.value for k, e in auc.items()},
            "low": {k: e.low for k, e in auc.items()},
            "high": {k: e.high for k, e in auc.items()},
            "true": {k: roc_auc_score(windows[k].y, windows[k].score) for k in auc},
        }
    )
)
