"""usage: plain_optuna.py PROJECT TRIALS     the search that a tutorial shows, on the same features

Optuna's default sampler without pruning, and scikit-learn's `cross_val_score` of five folds, on the
rows that are not held out; the best parameters fitted on them, and the AUC of the hold-out.
"""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path

import numpy as np
import optuna
import pandas as pd
import xgboost as xgb
from sklearn.metrics import roc_auc_score
from sklearn.model_selection import cross_val_score

started = time.perf_counter()
table = pd.read_parquet(Path(sys.argv[1]) / "data/features.parquet")
target = table["__target__"].to_numpy(np.int8)
features = table[[name for name in table.columns if not name.startswith("__")]]
for name in features.columns[~features.dtypes.map(pd.api.types.is_numeric_dtype)]:
    features[name] = features[name].astype("category").cat.codes
seen = int(0.8 * len(target))
matrix = features.to_numpy(np.float32)


def model(params: dict[str, float]) -> xgb.XGBClassifier:
    return xgb.XGBClassifier(n_estimators=200, tree_method="hist", n_jobs=2, **params)


def objective(trial: optuna.Trial) -> float:
    params = {
        "max_depth": trial.suggest_int("max_depth", 3, 10),
        "learning_rate": trial.suggest_float("learning_rate", 0.02, 0.3, log=True),
        "subsample": trial.suggest_float("subsample", 0.5, 1.0),
        "colsample_bytree": trial.suggest_float("colsample_bytree", 0.5, 1.0),
        "min_child_weight": trial.suggest_float("min_child_weight", 1, 20, log=True),
    }
    scores = cross_val_score(model(params), matrix[:seen], target[:seen], cv=5, scoring="roc_auc")
    return float(scores.mean())


optuna.logging.set_verbosity(optuna.logging.ERROR)
study = optuna.create_study(direction="maximize", sampler=optuna.samplers.TPESampler(seed=0))
study.optimize(objective, n_trials=int(sys.argv[2]))
fitted = model(study.best_params).fit(matrix[:seen], target[:seen])
auc = roc_auc_score(target[seen:], fitted.predict_proba(matrix[seen:])[:, 1])
print(json.dumps({"seconds": time.perf_counter() - started, "auc": auc}))
