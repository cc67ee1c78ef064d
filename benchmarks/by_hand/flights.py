"""The whole work on the flights as one script: what `mlops run` adds to it is its price.

usage: flights.py TABLES WORK SEED   TABLES holds flights.parquet and weather.parquet

The weather known an hour before each flight (DuckDB's asof join), the oldest 60 % of the rows to
fit on and the next 20 % to choose by, 20 trials of XGBoost by Optuna's TPE with Hyperband, a fit
on both with the best one's rounds, the AUC on the newest 20 %, and one MLflow run with the model.
"""

from __future__ import annotations

import json
import sys
import time
from itertools import pairwise

marks = [("start", time.perf_counter())]

import duckdb
import mlflow
import numpy as np
import optuna
import pyarrow as pa
import xgboost as xgb
from sklearn.metrics import roc_auc_score

tables, work = sys.argv[1:3]
SEED = int(sys.argv[3])
TRIALS, ROUNDS, PATIENCE = 20, 200, 20
FIXED = {"objective": "binary:logistic", "tree_method": "hist", "seed": SEED, "nthread": 2}
QUERY = f"""
with flights as (
  select *, file_row_number as place, time_hour::timestamp as at,
         dayofweek(make_date(year, month, day)) as dow
  from read_parquet('{tables}/flights.parquet', file_row_number = true)
  where arr_delay is not null
), weather as (
  select *, time_hour::timestamp + interval 1 hour as known from '{tables}/weather.parquet'
)
select arr_delay > 15 as late, carrier, dest, flights.origin, distance,
       flights.month, flights.day, flights.hour, minute, dow,
       temp, dewp, humid, wind_dir, wind_speed, precip, pressure, visib
from flights asof left join weather
  on flights.origin = weather.origin and flights.at >= weather.known
order by flights.at, place
"""


def done(name: str) -> None:
    marks.append((name, time.perf_counter()))


done("imports")
optuna.logging.set_verbosity(optuna.logging.ERROR)
duckdb.execute("set timezone = 'UTC'")
table = duckdb.sql(QUERY).to_arrow_table()
late = table["late"].to_numpy().astype(np.float32)
matrix = np.empty((len(late), table.num_columns - 1), np.float32)
for j, column in enumerate(table.columns[1:]):
    if pa.types.is_string(column.type):
        column = column.combine_chunks().dictionary_encode().indices
    matrix[:, j] = column.to_numpy()
del table, column
first, second = int(0.6 * len(late)), int(0.8 * len(late))
done("join")

fitted = xgb.QuantileDMatrix(matrix[:first], late[:first])
judged = xgb.QuantileDMatrix(matrix[first:second], late[first:second], ref=fitted)
rounds_run = 0


class Pruner(xgb.callback.TrainingCallback):
    def __init__(self, trial: optuna.Trial) -> None:
        self.trial = trial

    def after_iteration(self, model, epoch, evals_log):
        global rounds_run
        rounds_run += 1
        self.trial.report(evals_log["validation"]["auc"][-1], epoch)
        if self.trial.should_prune():
            raise optuna.TrialPruned
        return False


def objective(trial: optuna.Trial) -> float:
    params = {
        "max_depth": trial.suggest_int("max_depth", 3, 10),
        "eta": trial.suggest_float("eta", 0.02, 0.3, log=True),
        "subsample": trial.suggest_float("subsample", 0.5, 1.0),
        "colsample_bytree": trial.suggest_float("colsample_bytree", 0.5, 1.0),
        "min_child_weight": trial.suggest_float("min_child_weight", 1, 20, log=True),
    }
    booster = xgb.train(
        {**FIXED, **params, "eval_metric": "auc"},
        fitted,
        ROUNDS,
        evals=[(judged, "validation")],
        early_stopping_rounds=PATIENCE,
        verbose_eval=False,
        callbacks=[Pruner(trial)],
    )
    trial.set_user_attr("rounds", booster.best_iteration + 1)
    return booster.best_score


study = optuna.create_study(
    direction="maximize",
    study_name="search",  # Hyperband draws a trial's bracket from it; a name that is drawn varies
    sampler=optuna.samplers.TPESampler(seed=SEED),
    pruner=optuna.pruners.HyperbandPruner(min_resource=10, max_resource=ROUNDS),
)
study.optimize(objective, n_trials=TRIALS)
done("search")

fitted = judged = None  # before the next matrix is made
rounds = study.best_trial.user_attrs["rounds"]
whole = xgb.QuantileDMatrix(matrix[:second], late[:second])
model = xgb.train({**FIXED, **study.best_params}, whole, rounds)
auc = roc_auc_score(late[second:], model.inplace_predict(matrix[second:]))
done("fit")

mlflow.set_tracking_uri(f"sqlite:///{work}/mlflow.db")
mlflow.set_experiment("flights")
with mlflow.start_run():
    mlflow.log_params(study.best_params)
    mlflow.log_metric("auc", auc)
    mlflow.xgboost.log_model(model, name="model", pip_requirements=["xgboost"])
done("mlflow")
parts = {name: at - before for (_, before), (name, at) in pairwise(marks)}
print(json.dumps({"auc": auc, "rows": len(late), "rounds": rounds_run, "parts": parts}))
