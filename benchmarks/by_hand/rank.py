"""One library as its users run it: fitted on the same rows as ours, judged by the same hold-out."""

from __future__ import annotations

import json
import sys
from typing import Any

import numpy as np
import pandas as pd


def main() -> None:
    peer, folder, about, seed = sys.argv[1:]
    task = json.loads(about)
    frame = pd.read_csv(f"{folder}/table.csv", low_memory=False)
    y = frame.pop(task["target"])
    if task["task"] != "regression":
        y = pd.Series(np.unique(y.astype(str), return_inverse=True)[1])
    for name in frame.columns[[not pd.api.types.is_numeric_dtype(t) for t in frame.dtypes]]:
        frame[name] = frame[name].astype("category")
    fitted, held = (np.load(f"{folder}/{part}.npy") for part in ("fitted", "holdout"))
    rows = (frame.iloc[fitted], y.iloc[fitted], frame.iloc[held])
    said = PEERS[peer](*rows, {**task, "seed": int(seed)})
    print(json.dumps({"error": error(task["task"], y.iloc[held].to_numpy(), np.asarray(said))}))


def error(task: str, truth: Any, said: Any) -> float:
    from sklearn.metrics import log_loss, roc_auc_score

    if task == "binary":
        return float(1 - roc_auc_score(truth, said[:, 1]))
    if task == "multiclass":
        return float(log_loss(truth, said, labels=np.arange(said.shape[1])))
    return float(np.sqrt(np.mean((truth - said.reshape(-1)) ** 2)))


def of(model: Any, x: Any, y: Any, rows: Any, task: Any) -> Any:
    model.fit(x, y)
    return model.predict(rows) if task["task"] == "regression" else model.predict_proba(rows)


def xgboost(x: Any, y: Any, rows: Any, task: Any) -> Any:
    import xgboost as library

    kind = library.XGBRegressor if task["task"] == "regression" else library.XGBClassifier
    return of(kind(enable_categorical=True, random_state=task["seed"]), x, y, rows, task)


def lightgbm(x: Any, y: Any, rows: Any, task: Any) -> Any:
    import lightgbm as library

    kind = library.LGBMRegressor if task["task"] == "regression" else library.LGBMClassifier
    return of(kind(verbose=-1, random_state=task["seed"]), x, y, rows, task)


def catboost(x: Any, y: Any, rows: Any, task: Any) -> Any:
    import catboost as library

    names = [name for name in x if x[name].dtype == "category"]
    x, rows = (part.copy() for part in (x, rows))
    for name in names:
        x[name], rows[name] = (part[name].astype(str).fillna("") for part in (x, rows))
    kind = library.CatBoostRegressor if task["task"] == "regression" else library.CatBoostClassifier
    settings = {"verbose": 0, "random_seed": task["seed"], "allow_writing_files": False}
    return of(kind(cat_features=names, **settings), x, y, rows, task)


def histogram(x: Any, y: Any, rows: Any, task: Any) -> Any:
    from sklearn import ensemble

    # It takes no category of more than 255 values: as its users do, such a column is left out.
    names = [c for c in x if x[c].dtype != "category" or x[c].nunique() <= 255]
    for c in names:
        if x[c].dtype == "category":
            kept = x[c].astype(str).unique()
            x = x.assign(**{c: pd.Categorical(x[c].astype(str), kept)})
            rows = rows.assign(**{c: pd.Categorical(rows[c].astype(str), kept)})
    which = "Regressor" if task["task"] == "regression" else "Classifier"
    kind = getattr(ensemble, f"HistGradientBoosting{which}")
    model = kind(categorical_features="from_dtype", random_state=task["seed"])
    return of(model, x[names], y, rows[names], task)


def optuna(x: Any, y: Any, rows: Any, task: Any) -> Any:
    """XGBoost tuned on a quarter kept aside, with early stopping, for as long as ours took."""
    import optuna as library
    import xgboost
    from sklearn.model_selection import train_test_split

    library.logging.set_verbosity(library.logging.ERROR)
    regression = task["task"] == "regression"
    kind = xgboost.XGBRegressor if regression else xgboost.XGBClassifier
    a, b, ya, yb = train_test_split(
        x, y, test_size=0.25, random_state=task["seed"], stratify=None if regression else y
    )

    def model(trial: Any, rounds: int, **more: Any) -> Any:
        return kind(
            max_depth=trial.suggest_int("max_depth", 3, 10),
            learning_rate=trial.suggest_float("eta", 0.02, 0.3, log=True),
            subsample=trial.suggest_float("subsample", 0.5, 1),
            colsample_bytree=trial.suggest_float("colsample_bytree", 0.5, 1),
            min_child_weight=trial.suggest_float("min_child_weight", 1, 20, log=True),
            n_estimators=rounds,
            enable_categorical=True,
            random_state=task["seed"],
            **more,
        )

    def objective(trial: Any) -> float:
        tried = model(trial, 1000, early_stopping_rounds=20)
        tried.fit(a, ya, eval_set=[(b, yb)], verbose=False)
        trial.set_user_attr("rounds", tried.best_iteration + 1)
        said = tried.predict(b) if regression else tried.predict_proba(b)
        return error(task["task"], yb.to_numpy(), said)

    study = library.create_study(sampler=library.samplers.TPESampler(seed=task["seed"]))
    study.optimize(objective, timeout=task["seconds"], n_trials=100)
    best = study.best_trial
    return of(
        model(library.trial.FixedTrial(best.params), best.user_attrs["rounds"]), x, y, rows, task
    )


def autogluon(x: Any, y: Any, rows: Any, task: Any) -> Any:
    from autogluon.tabular import TabularPredictor

    metric = {"binary": "roc_auc", "multiclass": "log_loss"}.get(task["task"], "rmse")
    kind = {"binary": "binary", "multiclass": "multiclass"}.get(task["task"], "regression")
    predictor = TabularPredictor(label="_y", eval_metric=metric, problem_type=kind, verbosity=0)
    limit = max(10, task["seconds"] / 2)  # of two cores
    predictor.fit(x.assign(_y=y.to_numpy()), presets="medium_quality", time_limit=limit, num_cpus=2)
    if task["task"] == "regression":
        return predictor.predict(rows).to_numpy()
    return predictor.predict_proba(rows).to_numpy()


def flaml(x: Any, y: Any, rows: Any, task: Any) -> Any:
    from flaml import AutoML

    regression = task["task"] == "regression"
    metric = {"binary": "roc_auc", "multiclass": "log_loss"}.get(task["task"], "rmse")
    kind, automl = "regression" if regression else "classification", AutoML()
    limit = max(10, task["seconds"] / 2)
    settings = {"time_budget": limit, "metric": metric, "seed": task["seed"], "verbose": 0}
    automl.fit(x, y, task=kind, n_jobs=2, **settings)
    return automl.predict(rows) if regression else automl.predict_proba(rows)


PEERS = {f.__name__: f for f in (xgboost, lightgbm, catboost, histogram, optuna, autogluon, flaml)}

if __name__ == "__main__":
    main()
