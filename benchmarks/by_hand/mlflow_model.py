"""usage: mlflow_model.py BUNDLE FOLDER     the same model as an MLflow model: pandas, then XGBoost

What a server gets are raw rows; the row feature and the categories' numbers are made of them as
one writes it by hand.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

import mlflow
import pandas as pd
import xgboost as xgb


class Flights(mlflow.pyfunc.PythonModel):
    def load_context(self, context):
        manifest = json.loads(Path(context.artifacts["manifest"]).read_text())
        self.booster = xgb.Booster(model_file=context.artifacts["model"])
        self.booster.set_param({"nthread": 1})
        self.features = manifest["features"]

    def predict(self, context, model_input, params=None):
        rows = model_input.copy()
        rows["dow"] = pd.to_datetime(rows[["year", "month", "day"]]).dt.dayofweek.add(1).mod(7)
        for feature in self.features:
            if feature["kind"] == "category":
                codes = pd.Categorical(rows[feature["name"]], feature["categories"]).codes
                rows[feature["name"]] = pd.Series(codes, rows.index).where(codes >= 0)
        matrix = rows[[f["name"] for f in self.features]].to_numpy("float32")
        return self.booster.inplace_predict(matrix)


bundle, folder = map(Path, sys.argv[1:])
mlflow.pyfunc.save_model(
    folder,
    python_model=Flights(),
    artifacts={"model": str(bundle / "model.ubj"), "manifest": str(bundle / "manifest.json")},
    pip_requirements=["mlflow", "pandas", "xgboost"],
)
